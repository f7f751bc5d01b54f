// Makes charts live. A chart's own script pushes [name, option] to clipkitCharts: an array until this script has run, afterwards
// an object whose push draws at once.
(function () {
  // The text colour around the chart tells the theme in JupyterLab, in other notebook viewers and on pages alike.
  function isDark(place) {
    var parts = getComputedStyle(place).color.match(/^rgba?\((\d+), (\d+), (\d+)/);
    if (!parts) return matchMedia("(prefers-color-scheme: dark)").matches;
    return 0.299 * parts[1] + 0.587 * parts[2] + 0.114 * parts[3] > 140;
  }

  function mount(place, option) {
    var stage = document.createElement("div");
    stage.style.width = "100%";
    stage.style.height = "340px";
    place.replaceChildren(stage);
    place.removeAttribute("data-clipkit-chart");
    var chart, dark;
    function draw() {
      if (chart && isDark(place) === dark) return;
      if (chart) chart.dispose();
      dark = isDark(place);
      chart = echarts.init(stage, dark ? "dark" : null, { renderer: "svg" });
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
      document.querySelectorAll('[data-clipkit-chart="' + chart[0] + '"]').forEach(function (place) { mount(place, chart[1]); });
    }
  };
  waiting.forEach(globalThis.clipkitCharts.push);
})();
