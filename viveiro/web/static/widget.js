// Try a text classifier in its page: asks the endpoint as any program does, and draws the answer. No words live here.
"use strict";

document.addEventListener("alpine:init", () => {
  const MOST_ANSWERS = 10;

  Alpine.data("widget", () => ({
    choose(event) {
      this.$refs.text.value = event.currentTarget.title;
      this.ask();
    },

    key(event) {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.$root.requestSubmit();
    },

    send(event) {
      event.preventDefault();
      this.ask();
    },

    async ask() {
      const { button, busy, problem, none, answers, latency } = this.$refs;
      button.disabled = true;
      busy.hidden = false;
      for (const part of [problem, none, answers, latency]) part.hidden = true;
      try {
        await this.show();
      } catch {
        this.fail(this.$root.dataset.lost);
      }
      button.disabled = false;
      busy.hidden = true;
    },

    async show() {
      const language = document.documentElement.lang;
      const started = performance.now();
      const answer = await fetch(this.$root.dataset.address, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json", "Accept-Language": language },
        body: JSON.stringify({ inputs: this.$refs.text.value }),
      });
      const content = await answer.json();
      const milliseconds = performance.now() - started;
      if (!answer.ok) {
        this.fail(content.error);
        return;
      }
      this.draw(content[0], language);
      const { latency } = this.$refs;
      latency.querySelector("[data-time]").textContent = `${new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(milliseconds)} ms`;
      latency.hidden = false;
    },

    draw(found, language) {
      const { row, answers, none } = this.$refs;
      const share = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
      answers.replaceChildren(...found.slice(0, MOST_ANSWERS).map(({ label, score }) => {
        const line = row.content.firstElementChild.cloneNode(true);
        const meter = line.querySelector("meter");
        line.querySelector(".label").textContent = label;
        line.querySelector(".score").textContent = share.format(score);
        meter.value = score;
        meter.setAttribute("aria-label", label);
        return line;
      }));
      answers.hidden = found.length === 0;
      none.hidden = found.length > 0;
    },

    fail(text) {
      this.$refs.problem.textContent = text;
      this.$refs.problem.hidden = false;
    },
  }));
});
