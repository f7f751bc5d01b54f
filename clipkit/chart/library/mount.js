// Makes charts live. A chart's own script pushes [name, option, live] to clipkitCharts: an array until this script has run, afterwards
// an object. live is what an option cannot hold as data: the type of that name in chart.go.
(function () {
  var known = globalThis.clipkitCharts, unpacked, asked, arriving, waiting = [], mounted = [];
  if (known && !Array.isArray(known)) {
    if (known.arrive) known.arrive(); // an earlier output has brought this script; this one may have brought the library
    return;
  }

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

  function list(x) { return x === undefined ? [] : Array.isArray(x) ? x : [x]; }
  function given(x, more) { return x && list(x).map(function (o) { return Object.assign({}, o, more(o)); }); }

  // How many lines a legend has in a narrow place, one for each series; 0: there is none, or it scrolls.
  function lines(option) {
    var n = list(option.series).length;
    return option.legend && n <= 8 ? n : 0;
  }

  // What a legend of one name a line adds to a chart's height.
  function taller(option) { return lines(option) ? 64 + 22 * (lines(option) - 1) - parseFloat(list(option.grid)[0].top) : 0; }

  // A chart as its place has room for it: labels that would lie over each other give way, and in a narrow place, such as a phone's, names are made short.
  function fitted(option, width) {
    var narrow = width < 560, axes = list(option.yAxis).length;
    var fit = Object.assign({}, option, {
      series: given(option.series, function (s) {
        var more = { labelLayout: s.type === "line" ? { moveOverlap: "shiftY" } : { hideOverlap: true } };
        if (s.markLine && narrow) more.markLine = Object.assign({}, s.markLine, { label: Object.assign({}, s.markLine.label, { position: "insideEndTop" }) });
        return more;
      }),
    });
    if (!narrow) return fit;
    fit.legend = given(option.legend, function () {
      if (!lines(option)) return { type: "scroll", textStyle: { width: width - 150, overflow: "truncate" } };
      return { type: "plain", orient: "vertical", itemGap: 8, textStyle: { width: width - 60, overflow: "truncate" } };
    });
    fit.yAxis = given(option.yAxis, function (a) { return { nameTruncate: { maxWidth: (width - 60) / axes } }; });
    fit.xAxis = given(option.xAxis, function (a) {
      if (a.type !== "category" || !a.data || a.axisLabel && a.axisLabel.rotate) return {};
      return { axisLabel: Object.assign({}, a.axisLabel, { width: (width - 80) / a.data.length, overflow: "break" }), nameGap: (a.nameGap || 15) + 14 };
    });
    fit.visualMap = given(option.visualMap, function (m) { return { left: 36, itemHeight: 90, text: list(m.text).map(function (t) { return t.split(" · ")[0]; }) }; });
    fit.grid = given(option.grid, function (g) {
      var more = g.width && g.left + g.width > width - 16 ? { width: "auto", right: 16 } : {};
      if (lines(option)) more.top = 64 + 22 * (lines(option) - 1);
      return more;
    });
    return fit;
  }

  function mount(place, option, live) {
    if (!place.hasAttribute("data-clipkit-chart")) return; // its output came twice
    place.removeAttribute("data-clipkit-chart");
    var stage = document.createElement("div"), still = Array.from(place.childNodes), chart, dark, dense, narrow, printed = false;
    stage.style.width = "100%";
    stage.style.height = live.height + "px";
    if (live.tips) {
      option.tooltip.renderMode = "html";
      option.tooltip.formatter = function (p) { return tip(live, p); };
    }
    if (live.digits) option.tooltip.valueFormatter = function (v) { return typeof v === "number" ? v.toFixed(live.digits) : v; };

    // A place that is hidden (a collapsed cell, another tab, a theme that is on its way) or scrolled out of a windowed notebook has no width,
    // in which nothing can be drawn; it is drawn when it comes back.
    function draw() {
      if (!stage.isConnected && chart) {
        chart.dispose(); // ECharts would keep what an output that is gone has shown
        chart = null;
      }
      if (!stage.clientWidth) return;
      var was = dark, dots = dense, slim = narrow;
      dark = isDark(place);
      dense = live.canvas && devicePixelRatio;
      narrow = stage.clientWidth < 560;
      stage.style.height = live.height + (narrow ? taller(option) : 0) + "px";
      if (chart && was === dark && dots === dense && slim === narrow) {
        if (chart.getWidth() !== stage.clientWidth) chart.resize();
        return;
      }
      if (chart) chart.dispose();
      if (live.ramps) option.visualMap.inRange = { color: live.ramps[dark ? 1 : 0] };
      chart = echarts.init(stage, dark ? "dark" : null, { renderer: live.canvas ? "canvas" : "svg" });
      chart.setOption(fitted(option, stage.clientWidth));
    }

    // Paper has another width and is white: the picture that the chart was is printed.
    function print(on) {
      if (on === printed) return;
      printed = on;
      place.replaceChildren.apply(place, on ? still : [stage]);
      draw();
    }

    place.replaceChildren(stage);
    draw();
    new ResizeObserver(draw).observe(stage);
    stage.clipkit = { draw: draw, print: print };
    mounted.push(new WeakRef(stage.clipkit)); // an output that is gone leaves nothing in memory
  }

  function each(what) {
    mounted = mounted.filter(function (m) { return m.deref(); });
    mounted.forEach(function (m) { what(m.deref()); });
  }
  function drawAll() { each(function (m) { m.draw(); }); }

  // A theme takes its time: attributes change, then style sheets are loaded and laid out.
  function themed() {
    drawAll();
    requestAnimationFrame(drawAll);
  }

  // Packed bytes become the script that they are.
  function unpack(packed) {
    return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text().then(function (text) {
      var script = document.createElement("script");
      script.textContent = "(function(){var define,module,exports;" + text + "\n}).call(globalThis)"; // a module loader would swallow it
      document.head.append(script);
      script.remove();
    });
  }

  // The library: in an output of this page, or else in the Jupyter around it. Each is tried once; undefined: there is none.
  function fetched() {
    if (globalThis.clipkitLibrary && !unpacked) {
      unpacked = true;
      var bytes = Uint8Array.from(atob(globalThis.clipkitLibrary), function (c) { return c.charCodeAt(0); });
      return unpack(new Blob([bytes]).stream());
    }
    var config = document.getElementById("jupyter-config-data");
    if (!config || asked) return;
    asked = true;
    return fetch((JSON.parse(config.textContent).baseUrl || "/") + "static/echarts.min.js.gz").then(function (r) { return r.ok && unpack(r.body); });
  }

  // arrive draws what waits, when the library is there.
  function arrive() {
    if (globalThis.echarts) {
      waiting.splice(0).forEach(function (w) { w.places.forEach(function (place) { mount(place, w.chart[1], w.chart[2]); }); });
      return;
    }
    if (arriving || !waiting.length) return;
    var library = fetched();
    if (!library) return;
    arriving = true;
    library.catch(function () {}).then(function () {
      arriving = false;
      arrive();
    });
  }

  function push(chart) {
    var places = document.querySelectorAll('[data-clipkit-chart="' + chart[0] + '"]');
    waiting.push({ places: Array.from(places), chart: chart });
    arrive();
  }

  globalThis.clipkitCharts = { push: push, arrive: arrive };
  (known || []).forEach(push);

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
  addEventListener("resize", themed); // zoom, too
  document.addEventListener("visibilitychange", themed);
  document.addEventListener("load", function (e) { if (e.target.tagName === "LINK") themed(); }, true);
  [document.documentElement, document.body].forEach(function (e) { if (e) new MutationObserver(themed).observe(e, { attributes: true }); });
  addEventListener("beforeprint", function () { each(function (m) { m.print(true); }); });
  addEventListener("afterprint", function () { each(function (m) { m.print(false); }); });
  matchMedia("print").addEventListener("change", function (e) { each(function (m) { m.print(e.matches); }); });
})();
