// In JupyterLab the page is reached through Jupyter's own address (jupyter-server-proxy), whatever that is: a hub, HTTPS, another machine.
(function () {
  var config = document.getElementById("jupyter-config-data"), timer, failures = 0;
  if (!config) return;
  var base = (JSON.parse(config.textContent).baseUrl || "/") + "proxy/$PORT/", direct = "http://127.0.0.1:$PORT/open/$TICKET";
  var shown = ""; // the address in the frames, "" for none
  var entered = false;
  var mine = ""; // the session, where the browser keeps nothing
  var kept = "clipkit-page-$PAGE"; // where this browser keeps what it has got for a ticket
  var words = {
    ended: [
      "搜索页没有在运行：它和内核一起结束了。请重新运行这一格；内核重启过的话，先运行上面的格子（菜单 Run → Run All Above Selected Cell）。",
      "The page is not running: it ended with its kernel. Run this cell again; where the kernel was restarted, first those above it (menu Run → Run All Above Selected Cell)."
    ],
    used: [
      "搜索页在运行，但是这个浏览器还没有打开过它，这里的链接也已经用过或者过期了。请重新运行这一格。",
      "The page is running, but this browser has not opened it, and the link here has been used or is too old. Run this cell again."
    ]
  };
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
      link.href = url;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      link.textContent = "在新标签页打开 · open in a tab";
      if (url === direct) return box.replaceChildren(link); // of another origin, which is shown in no frame
      frame.src = url;
      frame.title = "clipkit";
      frame.style.cssText = "display:block;width:100%;height:$HEIGHTpx;border:1px solid #8884;border-radius:6px";
      box.replaceChildren(frame, link);
    });
  }

  function gone(why) {
    shown = "";
    each(function (box) {
      var said = words[why].map(function (text) {
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

  function session() {
    try { return localStorage.getItem(kept) || mine; } catch (e) { return mine; }
  }

  // enter gives the ticket away, so that the one in the notebook's file opens nothing more, and has a session: the one that this browser has already, or a new
  // one. Of two outputs that do so at once the second finds what the first has got.
  function enter() {
    var before = session();
    return fetch(base + "ticket", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ticket: "$TICKET", session: before }) }).then(function (r) {
      if (!r.ok) throw r;
      return r.json();
    }).then(function (got) {
      mine = got.session;
      try { localStorage.setItem(kept, mine); } catch (e) { /* it is shown until the notebook is loaded again */ }
    }, function (r) {
      return new Promise(function (go) { setTimeout(go, 700); }).then(function () {
        if (session() === before) throw r;
      });
    }).then(function () { entered = true; });
  }

  // look asks the page whether it is there. One answer that does not come may be a server that is busy.
  function look() {
    clearTimeout(timer);
    (entered ? Promise.resolve() : enter()).then(function () {
      return fetch(base + session() + "/api/info", { cache: "no-store" });
    }).then(function (r) {
      if (r.ok) return base + session() + "/";
      entered = false;
      throw r;
    }).catch(function (r) {
      if (!r || r.status !== 404 && r.status !== 403 || !/^(localhost|127\.0\.0\.1)$/.test(location.hostname)) throw r;
      return fetch("http://127.0.0.1:$PORT/healthz", { mode: "no-cors" }).then(function () { return direct; }); // a Jupyter without the proxy
    }).then(show, function (r) {
      if (shown && ++failures < 2) return 500;
      gone(r && r.status === 401 ? "used" : "ended");
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
