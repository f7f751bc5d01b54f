package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"

	"clipnb/clipkit/dataset"
)

// firstID is the number before that of the first picture. Flickr30k's pictures have the numbers that Flickr gave them, up to 8.3·10⁹.
const firstID = 9_000_000_000

// captionsEach is how many a picture has.
const captionsEach = 5

// split is a dataset.Source of pictures that are drawn when they are asked for: in order, as they are written, by all processors ahead.
type split struct {
	name     string
	first    int // of all pictures
	pictures int
	drawings []drawing
	made     func(n int)

	stop   context.CancelFunc
	ctx    context.Context
	next   int
	queued chan chan encoded // in order
}

type encoded struct {
	jpeg []byte
	err  error
}

func newSplit(ctx context.Context, name string, first, pictures int, drawings []drawing) *split {
	s := &split{name: "standin/" + name, first: first, pictures: pictures, drawings: drawings, queued: make(chan chan encoded, 2*runtime.GOMAXPROCS(0))}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s
}

// drawAhead fills the queue; what waits in it bounds the memory.
func (s *split) drawAhead() {
	for n := range s.pictures {
		to := make(chan encoded, 1)
		select {
		case s.queued <- to:
		case <-s.ctx.Done():
			return
		}
		go func() {
			jpeg, err := s.scene(n).jpeg()
			to <- encoded{jpeg, err}
		}()
	}
}

// scene is what the n-th picture shows.
func (s *split) scene(n int) scene {
	return newScene(rand.New(rand.NewPCG(uint64(s.first+n), 0x5EED)), s.drawings)
}

func (s *split) Name() string { return s.name }

func (s *split) ImageIDs() []int64 {
	ids := make([]int64, s.pictures)
	for n := range ids {
		ids[n] = int64(firstID + s.first + n + 1)
	}
	return ids
}

// Image is asked for in order, once each.
func (s *split) Image(id int64) ([]byte, error) {
	n := int(id) - firstID - s.first - 1
	if n != s.next || n >= s.pictures {
		return nil, fmt.Errorf("%w: picture %d of %s; they are drawn one after another, and the next is %d", dataset.ErrNotFound, id, s.name, firstID+s.first+s.next+1)
	}
	if n == 0 {
		go s.drawAhead()
	}
	select {
	case to := <-s.queued:
		select {
		case e := <-to:
			if s.next++; s.made != nil {
				s.made(s.next)
			}
			return e.jpeg, e.err
		case <-s.ctx.Done():
		}
	case <-s.ctx.Done():
	}
	return nil, s.ctx.Err()
}

func (s *split) Texts() []dataset.Text {
	texts := make([]dataset.Text, 0, captionsEach*s.pictures)
	for n := range s.pictures {
		for k, caption := range s.scene(n).captions() {
			texts = append(texts, dataset.Text{ID: int64(captionsEach*(s.first+n) + k), Text: caption, ImageIDs: []int64{int64(firstID + s.first + n + 1)}})
		}
	}
	return texts
}

func (s *split) Close() error {
	s.stop()
	return nil
}

// captions say what is where, in five ways.
func (s scene) captions() []string {
	var names, places []string
	for _, p := range s.placed {
		names = append(names, p.drawing.name)
		places = append(places, p.where()+"是"+p.drawing.name)
	}
	last := len(names) - 1
	reversed := slices.Clone(names)
	slices.Reverse(reversed)
	return []string{
		strings.Join(places, "，"),
		fmt.Sprintf("%s的背景上有%s和%s", s.groundName, strings.Join(names[:last], "、"), names[last]),
		fmt.Sprintf("%s旁边还有%s", names[0], strings.Join(names[1:], "、")),
		fmt.Sprintf("一张有%d个图案的图片：%s", len(names), strings.Join(reversed, "，")),
		fmt.Sprintf("%s，%s，底色是%s", places[last], s.placed[0].size()+"的"+names[0], s.groundName),
	}
}
