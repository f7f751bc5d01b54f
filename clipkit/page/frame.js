// In JupyterLab the page is reached through Jupyter's own address (jupyter-server-proxy), whatever that is: a hub, HTTPS, another machine.
(function () {
  var config = document.getElementById("jupyter-config-data"), boxes = document.querySelectorAll("#$ID");
  if (!config) return;
  var proxied = (JSON.parse(config.textContent).baseUrl || "/") + "proxy/$PORT/$PATH", direct = "http://127.0.0.1:$PORT/$PATH";

  function show(url) {
    boxes.forEach(function (box) {
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
    boxes.forEach(function (box) { box.textContent = "搜索页没有在运行，请重新运行这一格 · The page is not running: run this cell again"; });
  }

  fetch(proxied + "api/info").then(function (r) {
    if (r.ok) show(proxied);
    else if (r.status === 404 && /^(localhost|127\.0\.0\.1)$/.test(location.hostname)) show(direct); // a Jupyter without the proxy
    else gone();
  }, gone);
})();
