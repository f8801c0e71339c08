// The curves of a run, drawn by uPlot and told in a table. Names of series come from the page; this file has no words.
"use strict";

// Deferred, so the page has been read. What waits for DOMContentLoaded would be one long task with all others that do.
{
  const SECONDS_BETWEEN = 3;
  const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5"];
  const language = document.documentElement.lang;
  const figures = new Intl.NumberFormat(language, { minimumFractionDigits: 4, maximumFractionDigits: 4 });
  const epochs = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const short = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });

  // Custom properties hold light-dark(…), which a canvas cannot read: the colour that an element has of it, it can.
  function colour(name) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function chart(holder) {
    const series = [...holder.querySelectorAll("[data-series]")].map((item) => ({ name: item.dataset.series, label: item.textContent }));
    let plot = null;
    let drawn = null;

    function options(shown) {
      const line = colour("--line");
      const soft = colour("--ink-soft");
      const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui" };
      const values = (_, ticks) => ticks.map((tick) => short.format(tick));
      return {
        width: Math.max(holder.clientWidth, 200), height: 240,
        scales: { x: { time: false }, y: { range } },
        axes: [{ ...axis, values, size: 30, label: holder.dataset.x, labelFont: "12px system-ui", labelSize: 18 }, { ...axis, values, size: 56 }],
        series: [
          { label: holder.dataset.x, value: (_, value) => (value == null ? "–" : epochs.format(value)) },
          ...shown.map(({ label, place }) => ({
            label, stroke: colour(COLOURS[place % COLOURS.length]), width: 2, spanGaps: true, points: { size: 6 },
            value: (_, value) => (value == null ? "–" : figures.format(value)),
          })),
        ],
        hooks: { draw: [best] },
      };
    }

    // A little air above and below; scores end at 0 and 1.
    function range(_, low, high) {
      if (low == null) return [0, 1];
      const air = Math.max((high - low) * 0.1, 0.02);
      const top = "unit" in holder.dataset ? Math.min(1, high + air) : high + air;
      return [Math.max(0, low - air), top];
    }

    // A line where the weights come from that are kept.
    function best(self) {
      if (drawn.best_epoch == null) return;
      const x = self.valToPos(drawn.best_epoch, "x", true);
      const { top, height } = self.bbox;
      self.ctx.save();
      self.ctx.strokeStyle = colour("--young");
      self.ctx.setLineDash([4, 4]);
      self.ctx.beginPath();
      self.ctx.moveTo(x, top);
      self.ctx.lineTo(x, top + height);
      self.ctx.stroke();
      self.ctx.restore();
    }

    function draw(found) {
      const before = drawn;
      drawn = found;
      const shown = series.map((item, place) => ({ ...item, place })).filter(({ name }) => name in found.series);
      holder.closest("[data-chart]").hidden = shown.length === 0;
      if (shown.length === 0) return;
      const data = [found.x, ...shown.map(({ name }) => found.series[name])];
      if (plot && before && plot.series.length === data.length) plot.setData(data);
      else redraw(shown, data);
    }

    function redraw(shown, data) {
      if (plot) plot.destroy();
      plot = new uPlot(options(shown), data, holder);
    }

    function repaint() {
      if (!plot) return;
      plot.destroy();
      plot = null;
      draw(drawn);
    }

    new ResizeObserver(() => {
      if (plot && holder.clientWidth > 0 && plot.width !== holder.clientWidth) plot.setSize({ width: holder.clientWidth, height: 240 });
    }).observe(holder);
    return { draw, repaint };
  }

  // A row for each evaluation, or for each point where nothing was evaluated.
  function tell(table, found) {
    const columns = [...table.querySelectorAll("[data-column]")].map((cell) => found.series[cell.dataset.column] || []);
    const judged = found.series.eval_loss || columns[0] || [];
    const last = columns.map(() => null);
    const rows = [];
    found.x.forEach((epoch, place) => {
      columns.forEach((values, column) => { last[column] = values[place] ?? last[column]; });
      if (judged[place] == null) return;
      const row = document.createElement("tr");
      row.append(cell("th", epochs.format(epoch)), ...last.map((value) => cell("td", value == null ? "–" : figures.format(value))));
      rows.push(row);
    });
    table.querySelector("tbody").replaceChildren(...rows);
  }

  function cell(kind, text) {
    const made = document.createElement(kind);
    made.className = "number";
    made.textContent = text;
    made.translate = false;
    if (kind === "th") made.scope = "row";
    return made;
  }

  function follow(section) {
    const charts = [...section.querySelectorAll(".chart")].map(chart);
    const details = section.querySelector("details");
    let seen = -1;
    let latest = null;

    async function refresh() {
      if (!document.hidden) {
        const answer = await fetch(section.dataset.curves, { headers: { Accept: "application/json" } }).catch(() => null);
        if (answer && answer.ok) show(await answer.json());
      }
      if ("live" in section.dataset) setTimeout(refresh, 1000 * SECONDS_BETWEEN);
    }

    function show(found) {
      if (found.last_seq === seen && seen !== 0) return;
      seen = found.last_seq;
      const isEmpty = found.x.length === 0;
      section.querySelector("[data-empty]").hidden = !isEmpty;
      details.hidden = isEmpty;
      if (isEmpty) return;
      latest = found;
      // Each in a task of its own, so that the page answers in between.
      charts.forEach(({ draw }, place) => setTimeout(draw, place, found));
      setTimeout(tellWhoLooks, charts.length);
    }

    function tellWhoLooks() {
      if (details.open && latest) tell(details.querySelector("table"), latest);
    }

    details.addEventListener("toggle", tellWhoLooks);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(({ repaint }) => repaint()));
    refresh();
  }

  document.querySelectorAll("[data-curves]").forEach(follow);
}
