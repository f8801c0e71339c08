// A file on its way to `POST /runs/new/data`: dropped or chosen, sent as it is, with its progress. Words come from the page.
"use strict";

document.addEventListener("alpine:init", () => {
  Alpine.data("upload", () => ({
    over() { this.$root.classList.add("over"); },
    leave() { this.$root.classList.remove("over"); },

    drop(event) {
      this.leave();
      const file = event.dataTransfer.files[0];
      if (file) this.send(file);
    },

    choose() {
      const file = this.$refs.file.files[0];
      if (file) this.send(file);
    },

    send(file) {
      const { file: input, sending, bar, status, problem, base } = this.$refs;
      const words = this.$root.dataset;
      const wanted = new URLSearchParams({ file_name: file.name });
      if (base.value) wanted.set("base", base.value);
      const request = new XMLHttpRequest();
      request.open("POST", `/runs/new/data?${wanted}`);
      // Answered as htmx is: where to go, or the error as a part of a page.
      request.setRequestHeader("HX-Request", "true");
      request.setRequestHeader("Accept", "text/html");
      request.setRequestHeader("Content-Type", "application/octet-stream");

      const busy = (isBusy) => {
        input.disabled = isBusy;
        sending.hidden = !isBusy;
      };
      const failed = (html) => {
        busy(false);
        input.value = "";
        if (html) problem.innerHTML = html;
        else problem.textContent = words.lost;
      };
      request.upload.onprogress = (event) => {
        if (event.lengthComputable) bar.value = (100 * event.loaded) / event.total;
      };
      request.upload.onload = () => { status.textContent = words.looking; };
      request.onload = () => {
        const next = request.getResponseHeader("HX-Redirect");
        if (request.status < 300 && next) window.location.assign(next);
        else failed(request.responseText);
      };
      request.onerror = () => failed("");
      problem.textContent = "";
      bar.value = 0;
      status.textContent = words.sending;
      busy(true);
      request.send(file);
    },
  }));
});
