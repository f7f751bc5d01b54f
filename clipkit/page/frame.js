// In JupyterLab the page is reached through Jupyter's own address (jupyter-server-proxy), whatever that is: a hub, HTTPS, another machine.
(function () {
  var config = document.getElementById("jupyter-config-data"), timer, failures = 0;
  if (!config) return;
  var proxied = (JSON.parse(config.textContent).baseUrl || "/") + "proxy/$PORT/$PATH", direct = "http://127.0.0.1:$PORT/$PATH";
  var shown = ""; // the address in the frames, "" for none
  var boxes = Array.from(document.querySelectorAll("#$ID"), function (box) { return new WeakRef(box); });

  function each(what) {
    boxes.forEach(function (ref) { if (ref.deref()) what(ref.deref()); });
  }

  function show(url) {
    failures = 0;
    if (shown === url) return;
    shown = url;
    each(function (box) {
      var frame = document.createElement("iframe"), link = document.createElement("a");
      frame.src = link.href = url;
      frame.title = "clipkit";
      frame.style.cssText = "display:block;width:100%;height:$HEIGHTpx;border:1px solid #8884;border-radius:6px";
      link.target = "_blank";
      link.textContent = "在新标签页打开 · open in a tab";
      box.replaceChildren(frame, link);
    });
  }

  function gone() {
    shown = "";
    each(function (box) {
      var said = [
        "搜索页没有在运行：它和内核一起结束了。请重新运行这一格；内核重启过的话，先运行上面的格子（菜单 Run → Run All Above Selected Cell）。",
        "The page is not running: it ended with its kernel. Run this cell again; where the kernel was restarted, first those above it (menu Run → Run All Above Selected Cell)."
      ].map(function (text) {
        var p = document.createElement("p");
        p.textContent = text;
        return p;
      });
      var again = document.createElement("button");
      again.textContent = "再试一次 · Try again";
      again.onclick = look;
      box.replaceChildren(said[0], said[1], again);
      box.setAttribute("role", "status");
    });
  }

  // look asks the page whether it is there. One answer that does not come may be a server that is busy.
  function look() {
    clearTimeout(timer);
    fetch(proxied + "api/info", { cache: "no-store" }).then(function (r) {
      if (r.ok) return proxied;
      if (r.status !== 404 || !/^(localhost|127\.0\.0\.1)$/.test(location.hostname)) throw r;
      return fetch(direct + "healthz", { mode: "no-cors" }).then(function () { return direct; }); // a Jupyter without the proxy
    }).then(show, function () {
      if (shown && ++failures < 2) return 500;
      gone();
    }).then(watch);
  }

  // watch looks again, as long as somebody can see the frame and it is not gone for good.
  function watch(pause) {
    if (!boxes.some(function (ref) { return ref.deref(); })) return;
    timer = setTimeout(function () {
      var seen = !document.hidden && boxes.some(function (ref) { return ref.deref() && ref.deref().isConnected; });
      if (seen && shown) look();
      else watch();
    }, pause || 3000);
  }

  // The page says when it gets no answer.
  addEventListener("message", function (e) { if (e.data === "clipkit-no-answer" && shown) look(); });
  look();
})();
