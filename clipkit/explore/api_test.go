package explore_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/tokenizer"
)

// The rank that a search tells of a labelled query is the evaluation's, and its recall adds up to the evaluation's Recall.
func TestRanksAreTheEvaluations(t *testing.T) {
	s, e := serve(t, 2, ""), embedded()
	texts := e.split.Texts()
	for side, m := range e.models {
		f, err := eval.Extract(t.Context(), exchange.Alone, m.Towers, e.split, m.Towers.Config.ContextLength, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		// A typed text has as right answers the pictures of every caption that reads like it.
		of := map[string][]int64{}
		for _, x := range texts {
			of[tokenizer.Prepare(x.Text)] = append(of[tokenizer.Prepare(x.Text)], x.ImageIDs...)
		}
		asked := slices.Clone(texts)
		for i := range asked {
			asked[i].ImageIDs = of[tokenizer.Prepare(asked[i].Text)]
		}
		want, _, err := eval.Ranks(f, asked)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		var at [3]int
		var some []int
		for i := 0; i < len(asked); i += 13 {
			a := search(t, s.URL, q{"text": asked[i].Text, "k": 5, "model": side})
			if a.Labelled == nil {
				t.Fatalf("%q is not known as a caption", asked[i].Text)
			}
			got, some = append(got, a.Labelled.Rank), append(some, want[i])
			for k := range at {
				at[k] += a.Labelled.At[k]
			}
			for j, h := range a.Hits {
				if h.Right == nil || *h.Right != slices.Contains(asked[i].ImageIDs, h.ID) || (j+1 == a.Labelled.Rank) && !*h.Right {
					t.Errorf("%q: hit %d is %+v", asked[i].Text, j, h)
				}
			}
		}
		if !slices.Equal(got, some) {
			t.Errorf("side %d: ranks\n%v, want\n%v", side, got, some)
		}
		r := eval.Recall(some)
		for k, percent := range []float64{r.R1, r.R5, r.R10} {
			if share := 100 * float64(at[k]) / float64(len(got)); math.Abs(share-percent) > 1e-9 {
				t.Errorf("side %d: recall %v, want %v", side, share, percent)
			}
		}
	}
}

func TestSearchByPictureAndMixed(t *testing.T) {
	s, e := serve(t, 1, ""), embedded()
	id := e.split.ImageIDs()[7]
	like := search(t, s.URL, q{"image": id, "k": 30})
	if slices.Contains(like.ids(), id) || like.Labelled != nil || like.Hits[0].Right != nil || len(like.Hits) != 30 {
		t.Errorf("more like %d: %+v", id, like)
	}
	encoded, err := e.split.Image(id)
	if err != nil {
		t.Fatal(err)
	}
	status, key := upload(t, s.URL, "image/jpeg", encoded)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	own := search(t, s.URL, q{"picture": key, "k": 31})
	if own.Hits[0].ID != id || math.Abs(own.Hits[0].Score-1) > 1e-5 || !slices.Equal(own.ids()[1:], like.ids()) {
		t.Errorf("the same picture sent: %v, want %d and %v", own.ids(), id, like.ids())
	}
	text := search(t, s.URL, q{"text": "红色的心", "k": 30})
	if a := search(t, s.URL, q{"text": "红色的心", "picture": key, "weight": 0, "k": 30}); !slices.Equal(a.ids(), text.ids()) {
		t.Error("weight 0 is not the text alone")
	}
	if a := search(t, s.URL, q{"text": "红色的心", "picture": key, "weight": 1, "k": 31}); !slices.Equal(a.ids(), own.ids()) {
		t.Error("weight 1 is not the picture alone")
	}
	if a := search(t, s.URL, q{"text": "红色的心", "picture": key, "k": 31}); slices.Equal(a.ids(), own.ids()) || slices.Equal(a.ids(), text.ids()) || a.Labelled != nil {
		t.Error("the mix is one of its parts")
	}
	var parts []int64
	for at := 0; at < 30; at += 10 {
		parts = append(parts, search(t, s.URL, q{"text": "红色的心", "k": 10, "offset": at}).ids()...)
	}
	if !slices.Equal(parts, text.ids()) {
		t.Errorf("in parts %v, at once %v", parts, text.ids())
	}
	if a := search(t, s.URL, q{"text": "红色的心", "filter": q{"split": "test"}}); len(a.Hits) != 60 {
		t.Errorf("%d hits in the split", len(a.Hits))
	}
	if a := search(t, s.URL, q{"text": "红色的心", "filter": q{"split": "train"}}); len(a.Hits) != 0 {
		t.Errorf("%d hits in another split", len(a.Hits))
	}
}

func TestImageToText(t *testing.T) {
	s, e := serve(t, 1, ""), embedded()
	found := 0
	for _, id := range e.split.ImageIDs()[:60] {
		a := search(t, s.URL, q{"image": id, "to": "texts", "k": 10})
		if a.Labelled == nil || a.Labelled.Right != 5 || a.Total != 2500 || a.Hits[0].Text == "" {
			t.Fatalf("%+v", a)
		}
		rank := 1 + slices.IndexFunc(a.Hits, func(h struct {
			ID       int64
			Captions []string
			Text     string
			Score    float64
			Right    *bool
		}) bool {
			return *h.Right
		})
		if rank > 0 {
			found++
			if rank != a.Labelled.Rank {
				t.Errorf("picture %d: rank %d, told %d", id, rank, a.Labelled.Rank)
			}
		}
	}
	if found == 0 {
		t.Error("no caption of 60 pictures is among the first ten")
	}
}

func TestEncodeIsTheModels(t *testing.T) {
	s, e := serve(t, 2, ""), embedded()
	encoded, err := e.split.Image(e.split.ImageIDs()[3])
	if err != nil {
		t.Fatal(err)
	}
	for side, m := range e.models {
		var got struct {
			Texts, Pictures [][]float32
			Hash            string
		}
		status := call(t, "POST", s.URL+"/api/encode", q{"texts": []string{"一只猫", "“Hello” 世界"}, "pictures": []string{base64.StdEncoding.EncodeToString(encoded)}, "model": side}, &got)
		want, err := m.EncodeTexts(t.Context(), []string{"一只猫", `"hello" 世界`})
		if status != http.StatusOK || err != nil || len(got.Texts) != 2 || len(got.Pictures) != 1 || got.Hash != e.sides[side].Images.Model() {
			t.Fatal(status, err, got)
		}
		known, err := e.sides[side].Images.Vectors(t.Context(), e.split.ImageIDs()[3])
		if err != nil {
			t.Fatal(err)
		}
		if d := max(distance(got.Texts[0], want[0]), distance(got.Texts[1], want[1]), distance(got.Pictures[0], known[e.split.ImageIDs()[3]])); d > 1e-5 {
			t.Errorf("side %d: vectors differ by %v", side, d)
		}
	}
}

func distance(a, b []float32) (most float64) {
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

// What explains a score adds nothing of its own: the score is the search's, a part that is everything takes everything.
// inCorner is a picture at half its size in the right upper corner of a white page.
func inCorner(t *testing.T, encoded []byte) []byte {
	t.Helper()
	drawing, err := png.Decode(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	size := drawing.Bounds().Dx()
	page := image.NewRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			page.Set(x, y, color.White)
			if x >= size/2 && y < size/2 {
				page.Set(x, y, drawing.At(2*(x-size/2), 2*y))
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, page); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWhy(t *testing.T) {
	s, e := serve(t, 1, ""), embedded()
	hit := search(t, s.URL, q{"text": "爱心", "k": 1}).Hits[0]
	type reasons struct {
		Score   float64
		Grid    int
		Patches []float64
		Tokens  []struct {
			Text  string
			Share float64
		}
	}
	var why reasons
	if status := call(t, "POST", s.URL+"/api/why", q{"text": "爱心", "image": hit.ID}, &why); status != http.StatusOK {
		t.Fatal(status)
	}
	if math.Abs(why.Score-hit.Score) > 1e-5 || len(why.Tokens) != 2 || why.Tokens[0].Text != "爱" || why.Tokens[1].Text != "心" || why.Grid != 7 || len(why.Patches) != 49 {
		t.Fatalf("%+v", why)
	}
	if why.Tokens[1].Share < 0.01 { // without 心, the picture is less of what is asked
		t.Errorf("心 %v", why.Tokens[1].Share)
	}
	// With the drawing in the right upper quarter of a white page, that is what the picture has of it, whatever the model. The left lower cells are paper
	// under every cover.
	drawing, err := e.split.Image(hit.ID)
	if err != nil {
		t.Fatal(err)
	}
	status, key := upload(t, s.URL, "image/png", inCorner(t, drawing))
	if status != http.StatusOK {
		t.Fatal(status)
	}
	var apart reasons
	if status := call(t, "POST", s.URL+"/api/why", q{"text": "爱心", "picture": key}, &apart); status != http.StatusOK {
		t.Fatal(status)
	}
	var there, elsewhere float64
	for i, share := range apart.Patches {
		switch row, column := i/7, i%7; {
		case row < 4 && column >= 3:
			there += math.Abs(share) / 16
		case row >= 5 && column < 2:
			elsewhere += math.Abs(share) / 4
		}
	}
	if there < 0.01 || elsewhere > 1e-5 {
		t.Errorf("the drawing %v, the page %v", there, elsewhere)
	}
	// Hiding a token equals a text of its neighbours that keep their places: for the last one simply the text without it.
	shorter := search(t, s.URL, q{"text": "爱", "k": 60})
	for _, h := range shorter.Hits {
		if h.ID == hit.ID && math.Abs(hit.Score-why.Tokens[1].Share-h.Score) > 0.2 {
			t.Errorf("without 心 %v, asked for 爱 alone %v", hit.Score-why.Tokens[1].Share, h.Score)
		}
	}
	for name, bad := range map[string]q{"nothing to explain": {"text": "爱心"}, "no question": {"image": hit.ID}, "too fine": {"text": "爱心", "image": hit.ID, "grid": 15}} {
		if status := call(t, "POST", s.URL+"/api/why", bad, nil); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

func TestLists(t *testing.T) {
	s := serve(t, 2, "")
	var info struct {
		Title           string
		Set             string
		Pictures, Texts int
		Models          []struct {
			Name   string
			Scores *explore.ScoreBar
		}
	}
	call(t, "GET", s.URL+"/api/info", nil, &info)
	if info.Title != "表情 emoji" || info.Pictures != 500 || info.Texts != 2500 || len(info.Models) != 2 || info.Models[1].Name != "finetuned" {
		t.Errorf("%+v", info)
	}
	if b := info.Models[0].Scores; b == nil || b.Caught-b.Fooled < 0.3 || b.Threshold <= b.Low || b.Threshold >= b.High {
		t.Errorf("the band of scores: %+v", b)
	}
	var list struct {
		Total    int
		Pictures []struct {
			ID       int64
			Captions []string
		}
	}
	call(t, "GET", s.URL+"/api/pictures?from=490&n=100", nil, &list)
	if list.Total != 500 || len(list.Pictures) != 10 || len(list.Pictures[0].Captions) != 5 {
		t.Errorf("%+v", list)
	}
	for _, query := range []string{"from=-1", "n=501", "from=2501", "n=x", "from=9999999999999999999"} {
		if status := call(t, "GET", s.URL+"/api/texts?"+query, nil, nil); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", query, status)
		}
	}
	thumb := fmt.Sprintf("%s/thumb/%s/192/%d", s.URL, info.Set, list.Pictures[0].ID)
	reply, err := http.Get(thumb)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if h := reply.Header; h.Get("Content-Type") != "image/jpeg" || !strings.Contains(h.Get("Cache-Control"), "immutable") || h.Get("ETag") == "" {
		t.Errorf("headers of a thumbnail: %v", h)
	}
	again, _ := http.NewRequest("GET", thumb, nil)
	again.Header.Set("If-None-Match", reply.Header.Get("ETag"))
	if reply, err = http.DefaultClient.Do(again); err != nil || reply.StatusCode != http.StatusNotModified {
		t.Error(reply.Status, err)
	}
	reply.Body.Close()
	for _, path := range []string{"thumb/other/192/40003", "thumb/" + info.Set + "/191/40003", "thumb/" + info.Set + "/192/1", "thumb/" + info.Set + "/192/x", "nothing.js", "api/nothing"} {
		if reply, err := http.Get(s.URL + "/" + path); err != nil || reply.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v %v", path, reply.Status, err)
		}
	}
}

func TestHealthAndMetrics(t *testing.T) {
	s := serve(t, 2, "")
	var well struct {
		Status   string
		EncodeMS []float64 `json:"encode_ms"`
	}
	if status := call(t, "GET", s.URL+"/healthz", nil, &well); status != http.StatusOK || well.Status != "ok" || len(well.EncodeMS) != 2 || well.EncodeMS[0] <= 0 {
		t.Errorf("%d %+v", status, well)
	}
	metrics := func() string {
		t.Helper()
		reply, err := http.Get(s.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		b, err := io.ReadAll(reply.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	encoded := func() (texts int) { // with those that were encoded to be ready
		t.Helper()
		_, value, _ := strings.Cut(metrics(), `clipkit_encoded_total{model="0",kind="texts"} `)
		if _, err := fmt.Sscan(value, &texts); err != nil {
			t.Fatal("metrics do not tell how many texts were encoded: ", err)
		}
		return texts
	}
	before := encoded()
	search(t, s.URL, q{"text": "猫"})
	if n := encoded() - before; n != 1 {
		t.Errorf("a search encoded %d texts, want 1", n)
	}
	for _, line := range []string{`clipkit_requests_total{path="/api/search",status="200"} 1`, `clipkit_queue{model="1"} 0`, "go_memstats_heap_inuse_bytes"} {
		if !strings.Contains(metrics(), line) {
			t.Errorf("metrics lack %s", line)
		}
	}
}

// oneMore is a split with a picture that no index has, which its first text names too.
type oneMore struct{ dataset.Source }

func (s oneMore) ImageIDs() []int64 { return slices.Concat([]int64{-5}, s.Source.ImageIDs()) }

func (s oneMore) Texts() []dataset.Text {
	texts := slices.Clone(s.Source.Texts())
	texts[0].ImageIDs = slices.Concat([]int64{-5}, texts[0].ImageIDs)
	return texts
}

// A picture that could not be read when the index was built is nowhere on the page: the rest is listed, counted and ranked.
func TestPicturesOfNoIndexAreNotShown(t *testing.T) {
	e := small()
	if e.err != nil {
		t.Fatal(e.err)
	}
	s := start(t, explore.Config{Title: "one more", Source: oneMore{e.split}, Sides: e.sides[:1]})
	ids, text := e.split.ImageIDs(), e.split.Texts()[0]
	var list struct {
		Total    int
		Pictures []struct{ ID int64 }
		Texts    []struct{ Pictures []int64 }
	}
	call(t, "GET", s.URL+"/api/pictures?n=1", nil, &list)
	if list.Total != len(ids) || list.Pictures[0].ID != ids[0] {
		t.Errorf("%+v", list)
	}
	call(t, "GET", s.URL+"/api/texts?n=1", nil, &list)
	if !slices.Equal(list.Texts[0].Pictures, text.ImageIDs) {
		t.Errorf("%+v", list.Texts)
	}
	var found struct {
		Total    int
		Labelled struct{ Right int }
	}
	call(t, "POST", s.URL+"/api/search", map[string]any{"text": text.Text}, &found)
	right := 0
	for _, other := range e.split.Texts() {
		if other.Text == text.Text {
			right += len(other.ImageIDs)
		}
	}
	if found.Total != len(ids) || found.Labelled.Right != right {
		t.Errorf("%+v, want %d pictures, %d right", found, len(ids), right)
	}
}
