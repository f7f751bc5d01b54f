package hub

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/intact"
)

func TestReleasesAreModels(t *testing.T) {
	if got, want := Published(), arch.Names()[:5]; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// redirected sends every request to one server, whatever its host.
type redirected string

func (to redirected) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Host", r.URL.Host)
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(string(to), "http://")
	return http.DefaultTransport.RoundTrip(r)
}
func TestLocate(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("X-Host")+r.URL.Path)
		switch r.Header.Get("X-Host") {
		case "huggingface.co", "mirror.example":
			http.NotFound(w, r)
		default:
			_, _ = w.Write(make([]byte, 3<<20))
		}
	}))
	defer s.Close()
	env := map[string]string{"HOME": t.TempDir()}
	o := Options{Folder: t.TempDir(), Getenv: func(key string) string { return env[key] }, Client: &http.Client{Transport: redirected(s.URL)}}
	path, err := Locate(t.Context(), "ViT-B/16", o)
	if err != nil || path != filepath.Join(o.Folder, "clip_cn_vit-b-16.pt") {
		t.Fatal(path, err)
	}
	want := "huggingface.co/OFA-Sys/chinese-clip-vit-base-patch16/resolve/main/clip_cn_vit-b-16.pt www.modelscope.cn/models/AI-ModelScope/chinese-clip-vit-base-patch16/resolve/master/clip_cn_vit-b-16.pt"
	if got := strings.Join(asked, " "); got != want {
		t.Errorf("asked %s\nwant %s", got, want)
	}
	asked = nil
	env["HF_ENDPOINT"] = "https://mirror.example/"
	if _, err := Locate(t.Context(), "RN50", o); err != nil || asked[0] != "mirror.example/OFA-Sys/chinese-clip-rn50/resolve/main/clip_cn_rn50.pt" {
		t.Errorf("%v, asked %v", err, asked)
	}
	asked = nil
	env["CLIPKIT_OFFLINE"] = "1"
	if _, err := Locate(t.Context(), "ViT-H-14", o); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), filepath.Join(o.Folder, "clip_cn_vit-h-14.pt")) {
		t.Error(err)
	}
	env["CLIPKIT_WEIGHTS"] = t.TempDir()
	dir := filepath.Join(env["CLIPKIT_WEIGHTS"], "chinese-clip-vit-huge-patch14")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "config.json"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if got, err := Locate(t.Context(), "ViT-H-14", o); err != nil || got != dir {
		t.Error(got, err)
	}
	if _, err := Locate(t.Context(), "ViT-B-32", o); !errors.Is(err, ErrNotPublished) || !strings.Contains(err.Error(), "ViT-B-16") {
		t.Error(err)
	}
	if len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

// A downloaded file whose bytes change on the disk is found, moved away and fetched again; offline the error says what happened.
// fault 9, 19.4
func TestLocateFetchesDamagedFilesAgain(t *testing.T) {
	content := make([]byte, 3<<20)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(content) }))
	defer s.Close()
	env := map[string]string{"HOME": t.TempDir()}
	var said []string
	o := Options{Folder: t.TempDir(), Getenv: func(key string) string { return env[key] }, Client: &http.Client{Transport: redirected(s.URL)},
		Say: func(line string) { said = append(said, line) }}
	path, err := Locate(t.Context(), "RN50", o)
	if err != nil {
		t.Fatal(err)
	}
	flip := func() {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{1}, 1<<20)
		if err := errors.Join(err, f.Close(), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	flip()
	if again, err := Locate(t.Context(), "RN50", o); err != nil || again != path || len(said) != 1 || !strings.Contains(said[0], path+".damaged") {
		t.Errorf("%s, %v, said %q", again, err, said)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	flip()
	env["CLIPKIT_OFFLINE"] = "1"
	if _, err := Locate(t.Context(), "RN50", o); !errors.Is(err, ErrOffline) || !errors.Is(err, intact.ErrDamaged) || !strings.Contains(err.Error(), path+".damaged") {
		t.Errorf("offline: %v", err)
	}
}
