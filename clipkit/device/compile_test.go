package device

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// A compiler that is left to itself holds nobody up: its graph is there for the next call, and what is freed meanwhile is freed after it.
func TestCompilerIsLeftToItself(t *testing.T) {
	for _, name := range []string{"cpu", "cpu:0-1"} {
		t.Run(name, func(t *testing.T) {
			dev, err := Open(name)
			if err != nil {
				t.Fatal(err)
			}
			split := []bool{true}
			builds := 0
			var cancel context.CancelFunc
			build := func(_ *gomodel.Scope, in []*Node) []*Node {
				builds++
				x := in[0]
				for range 300 {
					x = Tanh(Add(Mul(x, x), in[0]))
				}
				if cancel != nil {
					cancel() // the compiler begins where this ends
				}
				return []*Node{x}
			}
			x := []float32{0.1, 0.2, 0.3, 0.4}
			shape := []shapes.Shape{shapes.Make(dtypes.Float32, 4)}
			start := func() *gomodel.Exec {
				exec, err := dev.Exec(gomodel.NewStore(), split, build)
				if err != nil {
					t.Fatal(err)
				}
				return exec
			}
			left := func(exec *gomodel.Exec) {
				t.Helper()
				var ctx context.Context
				ctx, cancel = context.WithCancel(context.Background())
				if _, err := dev.Compile(ctx, exec, split, shape); !errors.Is(err, context.Canceled) {
					t.Fatalf("%v, want the context's error", err)
				}
				cancel = nil
			}
			run := func(exec *gomodel.Exec) []float32 {
				t.Helper()
				if _, err := dev.Compile(context.Background(), exec, split, shape); err != nil {
					t.Fatal(err)
				}
				out, err := dev.Call(exec, split, []*tensors.Tensor{tensors.FromFlatDataAndDimensions(slices.Clone(x), 4)})
				if err != nil {
					t.Fatal(err)
				}
				values, err := tensors.CopyFlatData[float32](out[0])
				if err != nil {
					t.Fatal(err)
				}
				return values
			}
			exec, other := start(), start()
			left(exec)
			if got, want := run(exec), run(other); !slices.Equal(got, want) {
				t.Errorf("the graph that was left gives %v, want %v", got, want)
			}
			if builds != 2 {
				t.Errorf("two graphs were built %d times", builds)
			}
			dev.Free(exec)
			dev.Free(other)
			last := start()
			left(last)
			dev.Free(last)
			dev.Close()
			dev.compiling.left.Wait()
		})
	}
}
