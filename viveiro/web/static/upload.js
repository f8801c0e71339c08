// Files on their way to the server, with progress. Without this script, the same form sends them without.
"use strict";

document.addEventListener("alpine:init", () => {
  Alpine.data("upload", () => ({
    over(event) {
      event.preventDefault();
      this.$refs.drop.classList.add("over");
    },
    out() { this.$refs.drop.classList.remove("over"); },
    drop(event) {
      event.preventDefault();
      this.out();
      if (!event.dataTransfer.files.length) return;
      this.$refs.files.files = event.dataTransfer.files;
      this.choose();
    },
    choose() {
      const rows = [...this.$refs.files.files].map((file) => {
        const row = document.createElement("li");
        row.textContent = `${file.name} · ${size(file.size)}`;
        return row;
      });
      this.$refs.chosen.replaceChildren(...rows);
      this.suggest([...this.$refs.files.files].map((file) => file.name));
    },
    // The title that the commit gets if none is written.
    suggest(names) {
      if (!names.length) return;
      const { one, many } = this.$root.dataset;
      const title = names.length === 1 ? one.replace("{name}", () => names[0]) : many.replace("{count}", names.length);
      this.$root.elements.namedItem("title").placeholder = title;
    },
    send(event) {
      event.preventDefault();
      const request = new XMLHttpRequest();
      request.open("POST", this.$root.action);
      request.setRequestHeader("Accept", "text/html");
      request.setRequestHeader("HX-Request", "true"); // answers are then short: where to go, or what was wrong
      request.upload.addEventListener("progress", (step) => this.show(step.loaded / step.total));
      request.addEventListener("load", () => {
        const next = request.getResponseHeader("HX-Redirect");
        if (next) window.location.assign(next);
        else this.stop(new DOMParser().parseFromString(request.responseText, "text/html").body.textContent.trim());
      });
      request.addEventListener("error", () => this.stop(this.$root.dataset.lost));
      const form = new FormData(this.$root, event.submitter); // which of the buttons says where it goes
      this.$refs.problem.replaceChildren();
      this.disable(true);
      this.$refs.sending.hidden = false;
      this.show(0);
      request.send(form);
    },
    disable(disabled) {
      for (const button of this.$root.querySelectorAll("button")) button.disabled = disabled;
    },
    show(share) {
      this.$refs.progress.value = share;
      this.$refs.share.textContent = `${Math.floor(share * 100)} %`;
      this.$refs.storing.hidden = share < 1;
    },
    stop(why) {
      const notice = document.createElement("div");
      notice.className = "notice error";
      notice.setAttribute("role", "alert");
      notice.textContent = why;
      notice.setAttribute("translate", "no");
      this.$refs.problem.replaceChildren(notice);
      this.$refs.problem.scrollIntoView({ block: "center" });
      this.disable(false);
      this.$refs.sending.hidden = true;
    },
  }));

  function size(bytes) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
    return `${bytes.toLocaleString(document.documentElement.lang, { maximumFractionDigits: unit ? 1 : 0 })} ${units[unit]}`;
  }
});
