// Package jupyter_test looks at notebooks in a real JupyterLab.
package jupyter_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/notebook"
)

func TestMain(m *testing.M) { limit.Main(m) }

// certificate writes one that is its own authority, for 127.0.0.1.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	err = errors.Join(os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

// lab starts JupyterLab as "kernels lab" does, with HTTPS and under a path as a hub gives it, and returns the address of that path.
func lab(t *testing.T, token string) (base string) {
	t.Helper()
	base, _ = startLab(t, token)
	return base
}

// startLab is lab that also gives its process.
func startLab(t *testing.T, token string) (base string, process *exec.Cmd) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kernels")
	build := exec.Command("go", "build", "-o", program, "./kernels")
	build.Dir = notebook.Root
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	log, err := os.Create(filepath.Join(t.TempDir(), "lab.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	certFile, keyFile := certificate(t)
	c := exec.Command(program, "lab", "--no-browser", fmt.Sprintf("--ServerApp.port=%d", port), "--ServerApp.base_url=/user/somebody/",
		"--IdentityProvider.token="+token, "--ServerApp.certfile="+certFile, "--ServerApp.keyfile="+keyFile, "--LabApp.workspaces_dir="+t.TempDir(), "--LabApp.user_settings_dir="+t.TempDir(), "--LabApp.expose_app_in_browser=True")
	c.Dir, c.Stdout, c.Stderr = notebook.Root, log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			c.Process.Kill()
		}
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	base = fmt.Sprintf("https://127.0.0.1:%d/user/somebody/", port)
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(200 * time.Millisecond) { // it may have to be set up first
		if reply, err := client.Get(base + "api/status?token=" + token); err == nil {
			reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return base, c
			}
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("JupyterLab does not answer:\n%s", said)
		}
	}
}

// writeNotebook makes a notebook of cells in the repository's experiments folder, where JupyterLab can open it.
func writeNotebook(t *testing.T, name string, cells ...string) (path string) {
	t.Helper()
	dir := filepath.Join(notebook.Root, "experiments", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var list []any
	for i, source := range cells {
		list = append(list, map[string]any{"cell_type": "code", "id": fmt.Sprintf("cell-%02d", i+1), "metadata": map[string]any{}, "outputs": []any{}, "execution_count": nil, "source": source})
	}
	b, err := json.Marshal(map[string]any{"cells": list, "nbformat": 4, "nbformat_minor": 5,
		"metadata": map[string]any{"kernelspec": map[string]string{"name": "cpu", "display_name": "Go · CPU", "language": "go"}}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "page.ipynb"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return "experiments/" + name + "/page.ipynb"
}

// keepsNoToken looks for what opens a page in a saved notebook: tokens, the browser's session, a ticket that is still good.
func keepsNoToken(t *testing.T, path, session string) {
	t.Helper()
	saved, err := os.ReadFile(filepath.Join(notebook.Root, path))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(saved), session) {
		t.Errorf("the saved notebook has the browser's session %s", session)
	}
	links := regexp.MustCompile(`http://127\.0\.0\.1:\d+/open/[A-Z0-9]+`).FindAllString(string(saved), -1)
	if len(links) == 0 {
		t.Errorf("no link in the saved notebook:\n%s", saved)
	}
	for _, link := range links {
		if reply, err := http.Get(link); err != nil || reply.StatusCode != http.StatusUnauthorized {
			t.Errorf("the saved notebook's link opens the page: %v %v", reply, err)
		}
	}
	files, _ := filepath.Glob(notebook.Root + "/experiments/.explore/*.json")
	for _, file := range files {
		var state struct{ Token string }
		if b, err := os.ReadFile(file); err != nil || json.Unmarshal(b, &state) != nil || state.Token == "" || strings.Contains(string(saved), state.Token) {
			t.Errorf("the saved notebook has the token of %s, or that has none: %v", file, err)
		}
	}
}

// A saved notebook keeps no token of the page, and JupyterLab shows it in a frame of the same origin.
//
// The page in JupyterLab with HTTPS and under a hub's path: shown through Jupyter's own address, there again after a reload and after the cell is run
// again, used by a later cell, gone with the kernel.
// fault 19.12
func TestPageInJupyterLab(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs JupyterLab")
	}
	browser.Need(t)
	const token = "a-token-for-the-test"
	name := fmt.Sprintf("test-page-%d", os.Getpid())
	path := writeNotebook(t, name,
		"%noautoget\nimport (\n\t\"context\"\n\t\"fmt\"\n\n\t\"clipnb/clipkit\"\n)",
		"%%\nctx := context.Background()\ndata, m := clipkit.Must(clipkit.OpenDataset(ctx, \"emoji\")), clipkit.Must(clipkit.Load(ctx, \"emoji\"))\n"+
			"ix := clipkit.Must(clipkit.BuildIndex(ctx, m, data.Valid, clipkit.Keep(\""+name+"\")))\nclipkit.Must(clipkit.Explore(ctx, ix, m))",
		"%%\nctx := context.Background()\npage := clipkit.Must(page.Attach(ctx))\nfmt.Println(\"dimension\", len(clipkit.Must(page.EncodeTexts(ctx, []string{\"猫\"}))[0]))")
	base := lab(t, token)
	tab := browser.Drive(t, base+"lab/tree/"+path+"?token="+token, browser.Look{Width: 1200, Height: 900})
	const frame = `document.querySelector("iframe[title=clipkit]")`
	open := fmt.Sprintf(`[...jupyterapp.shell.widgets("main")].find((w) => w.context?.path === %q)`, path)
	ready := func() {
		t.Helper()
		tab.Wait(open + `.context.isReady && ` + open + `.sessionContext.session.kernel.connectionStatus === "connected"`)
		tab.Eval(`jupyterapp.shell.activateById(`+open+`.id)`, nil)
	}
	shown := func() string {
		t.Helper()
		tab.Wait(frame + `.contentDocument.querySelectorAll(".cell img[src]").length > 3`)
		return tab.Text(frame + `.contentWindow.location.pathname`)
	}
	ready()
	tab.Eval(`jupyterapp.commands.execute("notebook:run-all-cells").then(() => true)`, nil)
	tab.Wait(`document.body.innerText.includes("dimension 256")`)
	place := shown()
	if !strings.HasPrefix(place, "/user/somebody/proxy/") {
		t.Errorf("the page is at %s", place)
	}
	tab.Eval(`(() => { const i = `+frame+`.contentDocument.querySelector("#text"); i.value = "猫"; i.dispatchEvent(new Event("input")) })()`, nil)
	tab.Wait(frame + `.contentDocument.querySelectorAll(".cell[data-score]").length > 3`)

	tab.Eval(open+`.context.save().then(() => true)`, nil)
	keepsNoToken(t, path, strings.Split(place, "/")[5])
	tab.Reload()
	ready()
	if again := shown(); again != place {
		t.Errorf("after a reload the page is at %s, was at %s", again, place)
	}
	if shot := os.Getenv("CLIPKIT_SHOTS"); shot != "" {
		tab.Shot(filepath.Join(shot, "jupyter.png"))
	}
	tab.Eval(`jupyterapp.commands.execute("notebook:run-all-cells").then(() => true)`, nil)
	if again := shown(); again != place {
		t.Errorf("after another run the page is at %s, was at %s", again, place)
	}

	tab.Eval(open+`.sessionContext.session.kernel.restart().then(() => true)`, nil)
	tab.Eval(`window.answers = null; window.asking = setInterval(() => fetch(`+fmt.Sprintf("%q", place+"api/info")+`).then((r) => { window.answers = r.ok }), 300)`, nil)
	tab.Wait(`window.answers === false`)
	tab.Eval(`clearInterval(window.asking)`, nil)
	// The frame says that its page is gone, and what to do: at once, where the notebook is opened without its kernel, and until the cells are run again.
	const said = `!` + frame + ` && document.querySelector("[id^=clipkit-page-] button") && document.querySelector("[id^=clipkit-page-]").innerText.includes("The page is not running")`
	tab.Wait(said)
	tab.Click(`[id^=clipkit-page-] button`)
	tab.Wait(said)
	tab.Eval(open+`.context.save().then(() => true)`, nil)
	tab.Reload()
	ready()
	tab.Wait(said)
	if shot := os.Getenv("CLIPKIT_SHOTS"); shot != "" {
		tab.Shot(filepath.Join(shot, "jupyter-gone.png"))
	}
	tab.Eval(`jupyterapp.commands.execute("notebook:run-all-cells").then(() => true)`, nil)
	if again := shown(); again == place {
		t.Errorf("the new kernel's page is at the old one's address, %s", again)
	}
	if left, _ := filepath.Glob(notebook.Root + "/experiments/.explore/explore-*.json"); len(left) > 0 {
		for _, file := range left {
			b, _ := os.ReadFile(file)
			if port := strings.Split(place, "/")[4]; strings.Contains(string(b), `"Port":`+port+`,`) {
				t.Errorf("the restarted kernel's page left %s", file)
			}
		}
	}
	for _, r := range tab.Requests() {
		if u, err := url.Parse(r); err != nil || u.Scheme != "data" && u.Scheme != "blob" && u.Hostname() != "127.0.0.1" {
			t.Errorf("a request to %s", r)
		}
	}
}
