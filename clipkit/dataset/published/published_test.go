package published

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/internal/download"
	"clipnb/clipkit/internal/unpack"
)

// flickr is an archive of Flickr30k-CN's form and counts, with pictures of three bytes.
func flickr(t *testing.T, pictures int) []byte {
	var imgs, texts strings.Builder
	for i := range pictures {
		fmt.Fprintf(&imgs, "%d\tQUJD\n", 36979+i)
		for j := range 5 {
			fmt.Fprintf(&texts, `{"text_id": %d, "text": "一只猫 %d", "image_ids": [%d]}`+"\n", 5*i+j, j, 36979+i)
		}
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range map[string]string{"Flickr30k-CN/": "", "Flickr30k-CN/test_imgs.tsv": imgs.String(), "Flickr30k-CN/test_texts.jsonl": texts.String(), "__MACOSX/._x": "?"} {
		w, err := z.Create(name)
		if err == nil && text != "" {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// world is a server in place of all, and what was asked and said.
type world struct {
	Options
	asked  []string
	ranges []string
	said   []string
	env    map[string]string
}

// serve answers with what answer gives for the host, and in its way if it writes itself.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request) []byte) *world {
	x := &world{env: map[string]string{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(x.asked)
		x.asked, x.ranges = append(x.asked, r.Header.Get("X-Host")+r.URL.Path), append(x.ranges, r.Header.Get("Range"))
		w.Header().Set("ETag", `"v1"`)
		if b := answer(n, w, r); b != nil {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		}
	}))
	t.Cleanup(s.Close)
	x.Options = Options{
		Folder: filepath.Join(t.TempDir(), "datasets"), Getenv: func(key string) string { return x.env[key] }, Client: &http.Client{Transport: redirected(s.URL)},
		Say: func(line string) { x.said = append(x.said, line) },
	}
	return x
}

// redirected sends every request to one server, whatever its host.
type redirected string

func (to redirected) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Host", r.URL.Host)
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(string(to), "http://")
	return http.DefaultTransport.RoundTrip(r)
}

func (x *world) heard(part string) bool { return strings.Contains(strings.Join(x.said, "\n"), part) }

const (
	hubAddress = "huggingface.co/datasets/OFA-Sys/chinese-clip-eval/resolve/main/Flickr30k-CN.zip"
	ossAddress = "clip-cn-beijing.oss-cn-beijing.aliyuncs.com/datasets/Flickr30k-CN.zip"
)

// The connection breaks after half: the rest alone is asked for. The set opens, has the counts, and the second call asks nobody.
func TestLocate(t *testing.T) {
	archive := flickr(t, 1000)
	sum := sha256.Sum256(archive)
	x := serve(t, func(n int, w http.ResponseWriter, r *http.Request) []byte {
		w.Header().Set("X-Linked-Etag", `"`+hex.EncodeToString(sum[:])+`"`)
		if n == 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(archive)))
			_, _ = w.Write(archive[:1000])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		return archive
	})
	// What a process that was killed while it unpacked has left.
	stale := filepath.Join(x.Folder, "Flickr30k-CN.unpacking", "Flickr30k-CN", "test_imgs.tsv")
	if err := errors.Join(os.MkdirAll(filepath.Dir(stale), 0o755), os.WriteFile(stale, []byte("?"), 0o644)); err != nil {
		t.Fatal(err)
	}
	var what []string
	x.Progress = func(w string, done, total int64) {
		if len(what) == 0 || what[len(what)-1] != w {
			what = append(what, w)
		}
	}
	dir, err := Locate(t.Context(), "flickr30k_cn", x.Options)
	if err != nil || dir != filepath.Join(x.Folder, "Flickr30k-CN") {
		t.Fatal(dir, err)
	}
	if fmt.Sprint(x.asked) != fmt.Sprint([]string{hubAddress, hubAddress}) || x.ranges[1] != "bytes=1000-" {
		t.Errorf("asked %q for %q", x.asked, x.ranges)
	}
	if !x.heard("SHA-256 that the server states, "+hex.EncodeToString(sum[:])) || !x.heard("test 1000 pictures, 5000 texts; the counts are the published ones, which are known of test") || !x.heard("Flickr30k-CN.zip is not needed any more") {
		t.Errorf("said %q", x.said)
	}
	if strings.Join(what, ", ") != "downloading Flickr30k-CN.zip, unpacking Flickr30k-CN.zip" {
		t.Errorf("progress of %q", what)
	}
	d, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if p, ok := dataset.Recognise(d); !ok || p.Name != "Flickr30k-CN" {
		t.Errorf("it is %q", p.Name)
	}
	entries, err := os.ReadDir(x.Folder)
	if err != nil || len(entries) != 4 { // the set, the archive, its hash and its lock
		t.Errorf("left behind: %v, %v", entries, err)
	}
	x.asked = nil
	if again, err := Locate(t.Context(), "Flickr30k-CN", x.Options); err != nil || again != dir || len(x.asked) != 0 {
		t.Error(again, err, x.asked)
	}
}

// The mirror of the environment is asked in the hub's place, and then the older address; who states no hash is said to state none.
func TestLocateAsksTheMirrors(t *testing.T) {
	archive := flickr(t, 1000)
	x := serve(t, func(n int, w http.ResponseWriter, r *http.Request) []byte {
		if n == 0 {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html>log in")
			return nil
		}
		return archive
	})
	x.env["HF_ENDPOINT"] = "https://mirror.example/"
	if _, err := Locate(t.Context(), "Flickr30k-CN", x.Options); err != nil {
		t.Fatal(err)
	}
	if want := []string{strings.Replace(hubAddress, "huggingface.co", "mirror.example", 1), ossAddress}; fmt.Sprint(x.asked) != fmt.Sprint(want) {
		t.Errorf("asked %q", x.asked)
	}
	if !x.heard("this server states none") {
		t.Errorf("said %q", x.said)
	}
}

// What is not the set's archive leaves nothing under the set's name.
func TestLocateRefuses(t *testing.T) {
	hostile, err := os.ReadFile("../../internal/unpack/testdata/traversal.zip")
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile("../../internal/unpack/testdata/twice.zip")
	if err != nil {
		t.Fatal(err)
	}
	good := flickr(t, 1000)
	for name, c := range map[string]struct {
		set    string
		answer []byte
		is     error
		says   string
	}{
		"html":       {"Flickr30k-CN", []byte("<html>log in</html>"), download.ErrFailed, "a page of HTML"},
		"wrong size": {"MUGE", good, download.ErrFailed, "want 2166554702"},
		"hostile":    {"COCO-CN", hostile, unpack.ErrArchive, "leads out"},
		"twice":      {"Flickr30k-CN", other, unpack.ErrArchive, "there twice"},
		"cut":        {"Flickr30k-CN", good[:len(good)-10], unpack.ErrArchive, "damaged or cut"},
	} {
		x := serve(t, func(int, http.ResponseWriter, *http.Request) []byte { return c.answer })
		dir := filepath.Join(x.Folder, c.set)
		if _, err := Locate(t.Context(), c.set, x.Options); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), dir+".zip") {
			t.Errorf("%s: %v", name, err)
		}
		for _, path := range []string{dir, dir + ".unpacking", filepath.Join(x.Folder, "evil"), filepath.Join(filepath.Dir(x.Folder), "evil")} {
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %s is there (%v)", name, path, err)
			}
		}
	}
	x := serve(t, func(int, http.ResponseWriter, *http.Request) []byte { return good })
	if _, err := Locate(t.Context(), "LAION", x.Options); !errors.Is(err, dataset.ErrNotFound) || len(x.asked) != 0 {
		t.Error(err, x.asked)
	}
}

// An archive that opens and has other counts stays, and is told apart each time.
func TestLocateCounts(t *testing.T) {
	x := serve(t, func(int, http.ResponseWriter, *http.Request) []byte { return flickr(t, 3) })
	for range 2 {
		dir, err := Locate(t.Context(), "Flickr30k-CN", x.Options)
		if !errors.Is(err, ErrDiffers) || dir == "" || !strings.Contains(err.Error(), "its test split has 3 pictures, the published one 1000") {
			t.Error(dir, err)
		}
	}
	if len(x.asked) != 1 {
		t.Errorf("asked %q", x.asked)
	}
}

// Without a network the error says where the archive is and where to put it, and one that lies there is taken, whatever its size.
func TestLocateByHand(t *testing.T) {
	x := serve(t, func(int, http.ResponseWriter, *http.Request) []byte { return nil })
	x.env["CLIPKIT_OFFLINE"] = "1"
	path := filepath.Join(x.Folder, "Flickr30k-CN.zip")
	if _, err := Locate(t.Context(), "Flickr30k-CN", x.Options); !errors.Is(err, download.ErrOffline) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), ossAddress) {
		t.Error(err)
	}
	if err := errors.Join(os.MkdirAll(x.Folder, 0o755), os.WriteFile(path, flickr(t, 1000), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := Locate(t.Context(), "Flickr30k-CN", x.Options); err != nil || len(x.asked) != 0 {
		t.Error(err, x.asked)
	}
}
