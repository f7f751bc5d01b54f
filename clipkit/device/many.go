package device

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/core/tensors/dtensor"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// Many is how graphs and data lie on a Device that is several of one kind ("cuda:0-7"). XLA splits a graph over all of them after where its inputs
// and outputs lie, with the same results as on one.
type Many struct {
	Count int
	Mesh  *distributed.DeviceMesh
	Whole *distributed.ShardingSpec // every device has the whole tensor
	Split *distributed.ShardingSpec // every device has its part of the first axis
}

func newMany(count int) (*Many, error) {
	mesh, err := distributed.NewDeviceMesh([]int{count}, []string{"devices"})
	if err != nil {
		return nil, err
	}
	split, err := distributed.BuildSpec(mesh).S("devices").Done()
	return &Many{Count: count, Mesh: mesh, Whole: distributed.NewReplicatedShardingSpec(mesh), Split: split}, err
}

// Count is how many devices there are: 1, or those of Many.
func (d *Device) Count() int {
	if d.Many == nil {
		return 1
	}
	return d.Many.Count
}

// Asks is how many devices Open would drive as one for this name: 1 but for "cuda:0-7", "cuda:all" and the like.
func Asks(name string) int {
	kind, rest := kindOf(name)
	if kind == "cuda" && rest == "all" {
		return max(1, Available(kind))
	}
	if all, err := numbers(rest); err == nil && (kind == "cuda" || kind == "cpu") {
		return len(all)
	}
	return 1
}

// maxDevices is more than any host has.
const maxDevices = 64

// numbers reads what follows "cuda:" or "cpu:": "0-7" or "0,2,5", each once, in rising order.
func numbers(list string) (all []int, err error) {
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.ParseUint(low, 10, 16)
		to, err2 := strconv.ParseUint(high, 10, 16)
		if err != nil || err2 != nil || to < from || len(all) > 0 && int(from) <= all[len(all)-1] || int(to-from) >= maxDevices-len(all) {
			return nil, fmt.Errorf("%w: %q is no list of devices, want numbers in rising order such as 0-7 or 0,2,5, at most %d", ErrUnknown, list, maxDevices)
		}
		for i := int(from); i <= int(to); i++ {
			all = append(all, i)
		}
	}
	return all, nil
}

// openVirtual divides the processor into as many devices of XLA, "cpu:0-3". It is how work on several devices is tested where there is one.
func openVirtual(list string) (*Device, error) {
	all, err := numbers(list)
	if err != nil {
		return nil, err
	}
	if len(all) != all[len(all)-1]+1 {
		return nil, fmt.Errorf("%w: %q: the parts of a processor are numbered from 0 without gaps, as in cpu:0-3", ErrUnknown, list)
	}
	config, err := xlaConfig()
	if err != nil {
		return nil, err
	}
	var b compute.Backend
	err = Catch(func() error {
		b, err = xla.NewWithOptions(strings.TrimPrefix(config, "xla:"), pjrt.NamedValuesMap{"cpu_device_count": int64(len(all))})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("engine %q: %s", config, firstLine(err))
	}
	d := &Device{Name: "cpu", Engine: "xla", Backend: b}
	return d, d.divide(list, len(all))
}

// divide makes d, whose engine was told to show so many devices, Many of them.
func (d *Device) divide(list string, count int) (err error) {
	if has := d.Backend.NumDevices(); has != count {
		d.Close()
		return fmt.Errorf("%w: asked for %d devices, the engine shows %d", ErrRuntime, count, has)
	}
	if count > 1 {
		d.Name += ":" + list
		d.Many, err = newMany(count)
	}
	return err
}

// New makes a variable with these values, as they lie in memory row by row, straight on the device. On Many it is whole on each, or split.
func (d *Device) New(store *gomodel.Store, name string, shape shapes.Shape, data []byte, split bool) error {
	return Catch(func() error {
		if d.Many == nil {
			value, err := tensors.FromRaw(d.Backend, 0, shape, data)
			if err == nil {
				_, err = store.CreateVariable(name, value)
			}
			return err
		}
		v, err := store.CreateVariable(name, tensors.FromShape(shape))
		if err == nil {
			err = v.SetShardingSpec(d.Many.spec(split))
		}
		if err == nil {
			err = d.Set(v, data)
		}
		return err
	})
}

// Set gives a variable other values. On Many it lies as before.
func (d *Device) Set(v *gomodel.Variable, data []byte) error {
	return Catch(func() error {
		if d.Many == nil {
			value, err := tensors.FromRaw(d.Backend, 0, v.Shape(), data)
			if err == nil {
				err = v.SetValue(value)
			}
			return err
		}
		spec := v.ShardingSpec()
		if spec == nil {
			spec = d.Many.Whole
		}
		value, err := d.lay(spec, v.Shape(), data)
		if err == nil {
			err = v.SetDistributedValue(value)
		}
		return err
	})
}

// lay puts values on the devices of Many. Parts of the first axis are parts of the memory.
func (d *Device) lay(spec *distributed.ShardingSpec, shape shapes.Shape, data []byte) (*dtensor.Tensor, error) {
	parts := 1
	if !spec.IsReplicated() {
		parts, shape = d.Many.Count, shape.Clone()
		if shape.Dimensions[0]%parts != 0 {
			return nil, fmt.Errorf("%v cannot be split over %d devices", shape, parts)
		}
		shape.Dimensions[0] /= parts
	}
	shards := make([]*tensors.Tensor, d.Many.Count)
	for i := range shards {
		part, err := i%parts, error(nil)
		if shards[i], err = tensors.FromRaw(d.Backend, compute.DeviceNum(i), shape, data[part*len(data)/parts:(part+1)*len(data)/parts]); err != nil {
			return nil, err
		}
	}
	return dtensor.NewTensor(spec, shards)
}

// Parts are the tensors that make up a variable's value, in the order of rows; part i is on device i. They are one unless the variable is split.
func (d *Device) Parts(v *gomodel.Variable) ([]*tensors.Tensor, error) {
	if d.Many == nil {
		value, err := v.Value()
		return []*tensors.Tensor{value}, err
	}
	value, err := v.DistributedValue()
	if err != nil {
		return nil, err
	}
	if value.ShardingSpec().IsReplicated() {
		return value.Shards()[:1], nil
	}
	return value.Shards(), nil
}

// Exec is a graph of a store's variables, compiled by Compile or at its first use for each shape of its inputs. Call it through Call, and end it with Free.
// On Many split says which inputs are split over the devices, the others being whole on each; variables that the graph changes stay as they lie.
func (d *Device) Exec(store *gomodel.Store, split []bool, build func(*gomodel.Scope, []*Node) []*Node) (exec *gomodel.Exec, err error) {
	exec, err = gomodel.NewExec(d.Backend, store, func(scope *gomodel.Scope, in []*Node) []*Node {
		defer d.compiling.built(exec)
		out := build(scope, in)
		if d.Many == nil {
			return out
		}
		var specs []*distributed.ShardingSpec // the variables that were changed come first among the outputs, in the store's order
		for v := range store.IterVariables() {
			if v.ChangedInGraph(out[0].Graph()) {
				specs = append(specs, v.ShardingSpec())
			}
		}
		exec.WithOutputShardingSpecs(append(specs, d.Many.Whole)...) // the last one is that of all that follow
		return out
	})
	if err != nil || d.Many == nil {
		return exec, err
	}
	var specs []*distributed.ShardingSpec
	for _, s := range split {
		specs = append(specs, d.Many.spec(s))
	}
	return exec.AutoSharding(d.Many.Mesh).WithInputShardingSpecs(specs...), nil
}

func (m *Many) spec(split bool) *distributed.ShardingSpec {
	if split {
		return m.Split
	}
	return m.Whole
}

// Call runs what Exec made, with the same split, and gives its outputs, on Many those of the first device.
func (d *Device) Call(exec *gomodel.Exec, split []bool, in []*tensors.Tensor) (out []*tensors.Tensor, err error) {
	args := make([]any, len(in))
	for i, x := range in {
		args[i] = x
		if d.Many == nil {
			continue
		}
		var shards *dtensor.Tensor
		var laid error
		err := x.ConstBytes(func(data []byte) { shards, laid = d.lay(d.Many.spec(split[i]), x.Shape(), data) })
		if err = errors.Join(err, laid); err != nil {
			return nil, err
		}
		defer shards.FinalizeAll()
		args[i] = shards
	}
	if out, err = exec.Call(args...); err != nil || d.Many == nil {
		return out, err
	}
	own := len(out) / d.Many.Count
	for _, x := range out[own:] {
		_ = x.FinalizeAll() // the same as on the first device
	}
	return out[:own], nil
}
