// Makes charts live. A chart's own script pushes [name, option, live] to clipkitCharts: an array until this script has run, afterwards
// an object whose push draws at once. live is what an option cannot hold as data: the type of that name in chart.go.
(function () {
  // The text colour around the chart tells the theme in JupyterLab, in other notebook viewers and on pages alike.
  function isDark(place) {
    var parts = getComputedStyle(place).color.match(/^rgba?\((\d+), (\d+), (\d+)/);
    if (!parts) return matchMedia("(prefers-color-scheme: dark)").matches;
    return 0.299 * parts[1] + 0.587 * parts[2] + 0.114 * parts[3] > 140;
  }

  // A tooltip as elements: names are text in them and never HTML.
  function tip(live, p) {
    var box = document.createElement("div");
    box.style.cssText = "max-width:300px;white-space:normal;overflow-wrap:anywhere";
    function line(text) {
      var div = document.createElement("div");
      div.dir = "auto";
      div.textContent = text;
      box.appendChild(div);
    }
    var v = p.value, cell = live.tips === "cell", picture = live.pictures && live.pictures[cell ? v[1] : v[2]];
    if (picture) {
      var img = document.createElement("img");
      img.src = picture;
      img.style.cssText = "display:block;max-width:96px;max-height:96px;margin-bottom:4px";
      box.appendChild(img);
    }
    if (cell) {
      line(live.rowName + ": " + live.rows[v[1]]);
      line(live.columnName + ": " + live.columns[v[0]]);
      live.names.forEach(function (name, i) { line(name + ": " + v[i + 2]); });
    } else {
      line(p.seriesName);
      line(p.name);
    }
    return box;
  }

  function mount(place, option, live) {
    var stage = document.createElement("div");
    stage.style.width = "100%";
    stage.style.height = live.height + "px";
    if (live.tips) {
      option.tooltip.renderMode = "html";
      option.tooltip.formatter = function (p) { return tip(live, p); };
    }
    place.replaceChildren(stage);
    place.removeAttribute("data-clipkit-chart");
    var chart, dark;
    function draw() {
      if (chart && isDark(place) === dark) return;
      if (chart) chart.dispose();
      dark = isDark(place);
      if (live.ramps) option.visualMap.inRange = { color: live.ramps[dark ? 1 : 0] };
      chart = echarts.init(stage, dark ? "dark" : null, { renderer: live.canvas ? "canvas" : "svg" });
      chart.setOption(option);
    }
    draw();
    // A place that is hidden or scrolled out of a windowed notebook has no width and comes back later.
    new ResizeObserver(function () { if (stage.clientWidth) chart.resize(); }).observe(stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    new MutationObserver(draw).observe(document.body, { attributes: true });
  }

  var waiting = Array.isArray(globalThis.clipkitCharts) ? globalThis.clipkitCharts : [];
  globalThis.clipkitCharts = {
    push: function (chart) {
      document.querySelectorAll('[data-clipkit-chart="' + chart[0] + '"]').forEach(function (place) { mount(place, chart[1], chart[2]); });
    }
  };
  waiting.forEach(globalThis.clipkitCharts.push);
})();
