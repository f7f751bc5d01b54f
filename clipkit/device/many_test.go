package device

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

func TestListsOfDevices(t *testing.T) {
	for list, want := range map[string][]int{"0-3": {0, 1, 2, 3}, "5": {5}, "0,2,5": {0, 2, 5}, "0-1,4-5": {0, 1, 4, 5}, "3-3": {3}} {
		if got, err := numbers(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v", list, got, err)
		}
	}
	for _, list := range []string{"", "x", "-1", "0-", "-", "3-0", "0,0", "2,1", "0-2,2", "0-64", "0-65535", "99999999", "0,", "+1", "0 - 1"} {
		if got, err := numbers(list); !errors.Is(err, ErrUnknown) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v %v", list, got, err)
		}
	}
}

func TestWhichGPUs(t *testing.T) {
	two := []string{"NVIDIA H200", "NVIDIA H200"}
	for _, c := range []struct {
		rest string
		want []int
		err  string
	}{
		{"", []int{0}, ""},
		{"1", []int{1}, ""},
		{"0-1", []int{0, 1}, ""},
		{"all", []int{0, 1}, ""},
		{"0-7", nil, "cuda:0-7 asks for 8 devices, this machine has 2 (NVIDIA H200, NVIDIA H200)"},
		{"2", nil, "there is no GPU 2, only NVIDIA H200, NVIDIA H200"},
		{"1-0", nil, "is no list of devices"},
	} {
		got, err := chooseGPUs(c.rest, len(two))
		if err == nil {
			err = hasGPUs(c.rest, got, two)
		}
		if c.err == "" && (err != nil || !slices.Equal(got, c.want)) || c.err != "" && (!errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("cuda:%s: %v %v", c.rest, got, err)
		}
	}
}

func TestPartsOfTheProcessor(t *testing.T) {
	for _, name := range []string{"cpu:0-", "cpu:0,2", "cpu:0-99"} {
		if _, err := Open(name); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	one, err := Open("cpu:0")
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if one.Many != nil || one.Count() != 1 || one.String() != "cpu (xla)" {
		t.Errorf("cpu:0 is %s, %d devices", one, one.Count())
	}
}

// Variables lie whole on each device or split over all, keep lying so when a graph changes them, and results are those of one device.
func TestManyDevices(t *testing.T) {
	for _, name := range []string{"cpu:xla", "cpu:0-3"} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			store, shape := gomodel.NewStore(), shapes.Make(dtypes.Float32, 8, 2)
			defer store.Finalize()
			data := tensors.FromShape(shape)
			if err := data.MutableBytes(func(b []byte) { copy(b, slices.Repeat([]byte{0, 0, 128, 63}, 16)) }); err != nil { // ones
				t.Fatal(err)
			}
			for variable, split := range map[string]bool{"whole": false, "split": true} {
				if err := data.ConstBytes(func(b []byte) { err = d.New(store, variable, shape, b, split) }); err != nil {
					t.Fatal(err)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			inputs := []bool{true, false} // rows [8,2], a number
			exec, err := d.Exec(store, inputs, func(scope *gomodel.Scope, in []*Node) []*Node {
				for _, v := range []string{"/split", "/whole"} {
					v := scope.Store().GetVariable(v)
					v.SetNodeValue(Add(v.NodeValue(in[0]), Mul(in[0], in[1])))
				}
				return []*Node{ReduceAllSum(in[0]), in[0]}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer exec.Finalize()
			rows := make([]float32, 16)
			for i := range rows {
				rows[i] = float32(i)
			}
			for range 2 {
				out, err := d.Call(exec, inputs, []*tensors.Tensor{tensors.FromFlatDataAndDimensions(rows, 8, 2), tensors.FromScalar(float32(10))})
				if err != nil {
					t.Fatal(err)
				}
				if sum := tensors.ToScalar[float32](out[0]); len(out) != 2 || sum != 120 {
					t.Errorf("%d outputs, sum %v", len(out), sum)
				}
				if all, err := tensors.CopyFlatData[float32](out[1]); err != nil || !slices.Equal(all, rows) {
					t.Errorf("%v %v", all, err)
				}
			}
			for variable, parts := range map[string]int{"/whole": 1, "/split": d.Count()} {
				list, err := d.Parts(store.GetVariable(variable))
				if err != nil || len(list) != parts {
					t.Fatalf("%s has %d parts: %v", variable, len(list), err)
				}
				var all []float32
				for _, p := range list {
					values, err := tensors.CopyFlatData[float32](p)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, values...)
				}
				for i, v := range all {
					if v != float32(1+20*i) {
						t.Fatalf("%s: %v", variable, all)
					}
				}
			}
			if _, err := d.Call(exec, inputs, []*tensors.Tensor{tensors.FromFlatDataAndDimensions(rows[:3], 3, 1), tensors.FromScalar(float32(1))}); d.Many != nil &&
				(err == nil || !strings.Contains(err.Error(), "cannot be split over 4 devices")) {
				t.Errorf("3 rows: %v", err)
			}
		})
	}
}

func TestAsks(t *testing.T) {
	for name, want := range map[string]int{"cuda:0-7": 8, "cuda:0,2,5": 3, "cuda:1": 1, "cuda": 1, "cpu:0-3": 4, "cpu:go": 1, "npu:0": 1, "npu:cann:3": 1} {
		if got := Asks(name); got != want {
			t.Errorf("%s asks for %d devices, want %d", name, got, want)
		}
	}
}
