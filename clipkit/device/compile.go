package device

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// compiling knows of graphs that are being compiled. XLA takes a minute or two for a training step of ViT-B-16, and nothing stops it: whoever is told to stop
// leaves the compiler to itself.
type compiling struct {
	mu    sync.Mutex
	graph map[*gomodel.Exec]inMaking // the last one of each

	busy atomic.Int32 // compilers that nobody waits for, and what is freed after them
	left sync.WaitGroup
}

// inMaking is a graph that is built and then compiled.
type inMaking struct {
	built func()        // tells that the store is no longer read for it
	done  chan struct{} // closed when it is compiled
}

// Compile makes exec, which Exec made, ready for inputs of these shapes, each laid as split says. When ctx ends first it returns ctx's error; the compiler
// goes on, and what it makes is there for the next call. Two calls for the same exec are not at the same time.
func (d *Device) Compile(ctx context.Context, exec *gomodel.Exec, split []bool, inputs []shapes.Shape) (*Graph, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.Many != nil {
		inputs = d.Many.shards(split, inputs)
	}
	built, done := make(chan struct{}), make(chan struct{})
	tell := sync.OnceFunc(func() { close(built) })
	c := &d.compiling
	c.mu.Lock()
	if before, ok := c.graph[exec]; ok { // one that was left
		c.mu.Unlock()
		select {
		case <-before.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		c.mu.Lock()
	}
	if c.graph == nil {
		c.graph = map[*gomodel.Exec]inMaking{}
	}
	c.graph[exec] = inMaking{tell, done}
	c.mu.Unlock()
	var g *Graph
	var failed error
	go func() {
		defer close(done)
		defer tell() // of a graph that was there
		failed = Catch(func() (err error) {
			g, err = exec.Compile(inputs...)
			return err
		})
	}()
	select {
	case <-done:
		return g, failed
	case <-ctx.Done():
		<-built // in a second or two
		c.leave(func() { <-done })
		return nil, ctx.Err()
	}
}

// built is told of a graph of exec that has still to be compiled.
func (c *compiling) built(exec *gomodel.Exec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g, ok := c.graph[exec]; ok {
		g.built()
	}
}

// leave has work done beside everything else.
func (c *compiling) leave(work func()) {
	c.busy.Add(1)
	c.left.Go(func() {
		work()
		c.busy.Add(-1)
	})
}

// Free lets go of an exec's graphs, without waiting for a compiler that was left to itself.
func (d *Device) Free(exec *gomodel.Exec) {
	c := &d.compiling
	c.mu.Lock()
	last, made := c.graph[exec]
	delete(c.graph, exec)
	c.mu.Unlock()
	if !made || c.busy.Load() == 0 {
		exec.Finalize()
		return
	}
	c.leave(func() {
		<-last.done
		exec.Finalize()
	})
}

// shards are the shapes that lie on all devices, one device's after the other's.
func (m *Many) shards(split []bool, inputs []shapes.Shape) (all []shapes.Shape) {
	for range m.Count {
		for i, s := range inputs {
			if split[i] {
				s = s.Clone()
				s.Dimensions[0] /= m.Count
			}
			all = append(all, s)
		}
	}
	return all
}
