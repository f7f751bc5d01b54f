package explore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/internal/limit"
)

// Flags of the heavy tests.
var (
	clients  = flag.Duration("clients", 3*time.Second, "how long 64 clients ask at once; the issue's figure is 60s")
	pictures = flag.Int("pictures", 20_000, "how many vectors the latency test searches; the issue's figure is 100000")
	shots    = flag.String("shots", "", "folder for screenshots of the browser tests")
)

func TestMain(m *testing.M) {
	flag.Parse()
	root, err := os.MkdirTemp("", "explore-")
	if err != nil {
		panic(err)
	}
	os.Setenv("CLIPKIT_ROOT", root) // indexes go there
	code := limit.Run(m)
	os.RemoveAll(root)
	os.Exit(code)
}

// emoji is a split of the embedded set with its small model, and perhaps a second model that is a little different.
type emoji struct {
	split  dataset.Source
	models []*clipkit.Model
	sides  []explore.Side
	err    error
}

var (
	embedded = sync.OnceValue(func() emoji { return indexed("test", "zero-shot", "finetuned") })
	small    = sync.OnceValue(func() emoji { return indexed("valid", "zero-shot") }) // for what starts many times
)

// indexed makes sides of a split; the second one's model is disturbed.
func indexed(split string, names ...string) (e emoji) {
	ctx := context.Background()
	data, err := clipkit.OpenDataset(ctx, "emoji")
	if err == nil {
		e.split, err = data.Split(split)
	}
	for i, name := range names {
		var m *clipkit.Model
		var ix *clipkit.Index
		var side explore.Side
		if err == nil {
			m, err = clipkit.Load(ctx, "emoji")
		}
		if err == nil && i == 1 {
			err = disturb(m)
		}
		if err == nil {
			ix, err = clipkit.BuildIndex(ctx, m, e.split)
		}
		if err == nil {
			side, err = ix.Side(ctx, name)
		}
		e.models, e.sides = append(e.models, m), append(e.sides, side)
	}
	e.err = err
	return e
}

// disturb adds noise to the projection of texts, so that rankings change a little.
func disturb(m *clipkit.Model) error {
	shape, v, err := m.Towers.Get("text_projection")
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range v {
		v[i] *= float32(1 + 0.4*rng.NormFloat64())
	}
	return m.Towers.Set("text_projection", shape, v)
}

// serve starts a page on the embedded set.
func serve(t testing.TB, sides int, token string) *httptest.Server {
	t.Helper()
	e := embedded()
	if e.err != nil {
		t.Fatal(e.err)
	}
	return start(t, explore.Config{Title: "表情 emoji", Source: e.split, Sides: e.sides[:sides], Token: token})
}

func start(t testing.TB, c explore.Config) *httptest.Server {
	t.Helper()
	h, err := explore.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.Close(); h.Close() })
	return s
}

// call asks and reads the JSON answer; it gives the status.
func call(t testing.TB, method, url string, question, answer any) int {
	t.Helper()
	var body io.Reader
	if question != nil {
		b, err := json.Marshal(question)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil && reply.StatusCode == http.StatusOK {
		if err := json.Unmarshal(b, answer); err != nil {
			t.Fatalf("%s: %v: %.300s", url, err, b)
		}
	}
	if reply.StatusCode != http.StatusOK && !bytes.HasPrefix(b, []byte(`{"error":"`)) && reply.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%s %s: status %d without a reason: %.200s", method, url, reply.StatusCode, b)
	}
	return reply.StatusCode
}

// q is a question of api/search.
type q map[string]any

// answer is what the tests look at of api/search.
type answer struct {
	Hits []struct {
		ID       int64
		Captions []string
		Text     string
		Score    float64
		Right    *bool
	}
	Total    int
	Cut      int
	Labelled *struct {
		Right, Rank int
		At          [3]int
	}
}

func (a answer) ids() (ids []int64) {
	for _, h := range a.Hits {
		ids = append(ids, h.ID)
	}
	return ids
}

func search(t testing.TB, base string, question q) (a answer) {
	t.Helper()
	if status := call(t, "POST", base+"/api/search", question, &a); status != http.StatusOK {
		t.Fatalf("%v: status %d", question, status)
	}
	return a
}

// file reads one of the pictures of imaging's tests.
func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../imaging/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// upload sends a picture and gives the status and its key.
func upload(t testing.TB, base, kind string, body []byte) (status int, key string) {
	t.Helper()
	reply, err := http.Post(base+"/api/picture", kind, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	var got struct{ Picture, Error string }
	if err := json.NewDecoder(reply.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if (reply.StatusCode == http.StatusOK) != (got.Picture != "") || (got.Error != "") == (got.Picture != "") {
		t.Errorf("status %d, %+v", reply.StatusCode, got)
	}
	return reply.StatusCode, got.Picture
}
