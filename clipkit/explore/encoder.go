package explore

import (
	"context"
	"errors"
	"sync"
	"time"

	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"

	lru "github.com/hashicorp/golang-lru/v2"
)

// errBusy says that too many requests wait: 503.
var errBusy = errors.New("too many requests wait; try again in a second")

const (
	waiting   = 256  // queries in an encoder's queue
	together  = 8    // of one kind that are encoded in one batch
	keptTexts = 2048 // vectors of texts, lately used
)

// encoder makes vectors with one model. One goroutine feeds the model; what has gathered while it was busy goes in one batch.
type encoder struct {
	model   *model.Model
	metrics *metricSet
	number  int // of the model
	texts   *lru.Cache[string, []float32]
	queue   chan *job
	ended   chan struct{}
	once    sync.Once
}

// job is one sample: token ids [T], or pixels [3,R,R].
type job struct {
	ctx    context.Context
	ids    []int32
	pixels []float32
	done   chan result // takes one without a reader
}

type result struct {
	vector []float32
	err    error
}

func newEncoder(m *model.Model, metrics *metricSet, number int) *encoder {
	e := &encoder{model: m, metrics: metrics, number: number, queue: make(chan *job, waiting), ended: make(chan struct{})}
	e.texts, _ = lru.New[string, []float32](keptTexts)
	metrics.watchQueue(number, func() float64 { return float64(len(e.queue)) })
	go e.work()
	return e
}

func (e *encoder) close() { e.once.Do(func() { close(e.ended) }) }

// tokens gives the row of a prepared text and how many of its tokens did not fit.
func (e *encoder) tokens(text string) (ids []int32, cut int) {
	ids = make([]int32, e.model.Config.ContextLength)
	return ids, tokenizer.Default().Encode(ids, text)
}

// text gives the vector of a text, which is prepared as captions are, and how many tokens were cut off.
func (e *encoder) text(ctx context.Context, text string) (vector []float32, cut int, err error) {
	text = tokenizer.Prepare(text)
	ids, cut := e.tokens(text)
	if v, ok := e.texts.Get(text); ok {
		return v, cut, nil
	}
	v, err := e.ask(ctx, &job{ids: ids})
	if err == nil {
		e.texts.Add(text, v)
	}
	return v, cut, err
}

// pixels gives the vector of a prepared picture [3,R,R].
func (e *encoder) pixels(ctx context.Context, pixels []float32) ([]float32, error) {
	return e.ask(ctx, &job{pixels: pixels})
}

func (e *encoder) ask(ctx context.Context, j *job) ([]float32, error) {
	j.ctx, j.done = ctx, make(chan result, 1)
	select {
	case e.queue <- j:
	default:
		return nil, errBusy
	}
	select {
	case r := <-j.done:
		return r.vector, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.ended:
		return nil, errBusy
	}
}

// work encodes until the encoder is closed.
func (e *encoder) work() {
	var next *job // of another kind than the batch before it
	for {
		batch := []*job{next}
		if next == nil {
			select {
			case batch[0] = <-e.queue:
			case <-e.ended:
				return
			}
		}
		batch, next = e.gather(batch)
		e.encode(batch)
	}
}

// gather adds what waits, up to the first job of another kind.
func (e *encoder) gather(batch []*job) (same []*job, other *job) {
	for len(batch) < together {
		select {
		case j := <-e.queue:
			if (j.ids == nil) != (batch[0].ids == nil) {
				return batch, j
			}
			batch = append(batch, j)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

func (e *encoder) encode(batch []*job) {
	live := batch[:0]
	for _, j := range batch {
		if j.ctx.Err() == nil { // the others have gone away
			live = append(live, j)
		}
	}
	if len(live) == 0 {
		return
	}
	var ids []int32
	var pixels []float32
	for _, j := range live {
		ids, pixels = append(ids, j.ids...), append(pixels, j.pixels...)
	}
	// A batch is several visitors': none of them may end it.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var vectors []float32
	var err error
	kind, start := "texts", time.Now()
	if ids != nil {
		vectors, err = e.model.EncodeTexts(ctx, ids, len(live))
	} else {
		kind = "pictures"
		vectors, err = e.model.EncodeImages(ctx, pixels, len(live))
	}
	e.metrics.encoded(e.number, kind, len(live), time.Since(start))
	dim := e.model.Config.EmbedDim
	for i, j := range live {
		r := result{err: err}
		if err == nil {
			r.vector = vectors[i*dim : (i+1)*dim : (i+1)*dim]
		}
		j.done <- r
	}
}

// many encodes n samples that belong together, such as variants of one; other visitors' queries go in between.
func many[T float32 | int32](ctx context.Context, data []T, n int, encode func(context.Context, []T, int) ([]float32, error)) (vectors []float32, err error) {
	size := len(data) / max(n, 1)
	for at := 0; at < n; at += together {
		rows := min(together, n-at)
		v, err := encode(ctx, data[at*size:(at+rows)*size], rows)
		if err != nil {
			return nil, err
		}
		vectors = append(vectors, v...)
	}
	return vectors, nil
}
