// Components that every page may use. No words live here: texts come from the page, by data attributes.
"use strict";

document.addEventListener("alpine:init", () => {
  // A <details> that closes when something else is meant: a click elsewhere, Escape, the focus moving on.
  Alpine.data("menu", () => ({
    init() {
      const menu = this.$el;
      document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
      menu.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !menu.open) return;
        menu.open = false;
        menu.querySelector("summary").focus();
      });
      menu.addEventListener("focusout", (event) => {
        if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
      });
    },
  }));

  // The text of $refs.text on the clipboard; the button says so for a moment.
  Alpine.data("copy", () => ({
    async copy(event) {
      const button = event.currentTarget;
      await navigator.clipboard.writeText(this.$refs.text.textContent);
      const before = button.textContent;
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = before; }, 1600);
    },
  }));

  // The commit's title that the form for a new file suggests, as its name is typed: <form x-data="title" data-title="Create {name}">.
  Alpine.data("title", () => ({
    follow(event) {
      if (event.target.name !== "path") return;
      const name = event.target.value.trim().split("/").pop();
      this.$root.elements.namedItem("title").placeholder = this.$root.dataset.title.replace("{name}", () => name || "…");
    },
  }));

  // A form that asks before it does what cannot be undone: <form x-data="confirm" x-on:submit="ask" data-question="…">.
  Alpine.data("confirm", () => ({
    ask(event) {
      if (!window.confirm(this.$root.dataset.question)) event.preventDefault();
    },
  }));
});
