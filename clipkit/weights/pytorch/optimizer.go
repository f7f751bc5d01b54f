package pytorch

import (
	"errors"
	"fmt"

	"clipnb/clipkit/internal/pickle"
	"clipnb/clipkit/weights/tensor"
)

// Optimizer is the state of torch.optim.AdamW. The reference makes two groups, first the parameters without weight decay (gains, biases,
// logit scale), then the others, each in the order of the state dict (cn_clip/training/main.py:147-165). Parameters are numbered from 0
// through both.
type Optimizer struct {
	Groups []Group
	State  []ParamState // by number
}

// Group is one of AdamW's param_groups.
type Group struct {
	LR, WeightDecay       float64
	Beta1, Beta2, Epsilon float64
	Params                int // how many parameters belong to it
}

// ParamState holds the moments of one parameter, in its shape. A parameter that has not been updated has none: Step is 0, the tensors are empty.
type ParamState struct {
	Step     int
	ExpAvg   tensor.Tensor
	ExpAvgSq tensor.Tensor
}

// parseOptimizer reads what optimizer.state_dict() returned: {"state": {number: {…}}, "param_groups": [{…, "params": [numbers]}]}.
func parseOptimizer(v any, u *unpacker) (*Optimizer, error) {
	d, ok := v.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("the optimizer is a %s, want a dict", kindOf(v))
	}
	groups, err := field[*pickle.List](d, "param_groups")
	if err != nil {
		return nil, err
	}
	o := &Optimizer{}
	total := 0
	for i, item := range groups.Items {
		g, err := parseGroup(item, total)
		if err != nil {
			return nil, fmt.Errorf("optimizer group %d: %w", i, err)
		}
		if total += g.Params; total > tensor.MaxCount {
			return nil, fmt.Errorf("the optimizer has more than %d parameters", tensor.MaxCount)
		}
		o.Groups = append(o.Groups, g)
	}
	state, err := field[*pickle.Dict](d, "state")
	if err != nil {
		return nil, err
	}
	o.State = make([]ParamState, total)
	for key, item := range state.All() {
		i, ok := key.(int64)
		if !ok || i < 0 || i >= int64(total) {
			return nil, fmt.Errorf("the optimizer's state has the key %.40q, want a number below %d", fmt.Sprint(key), total)
		}
		if o.State[i], err = parseState(int(i), item, u); err != nil {
			return nil, fmt.Errorf("the optimizer's state of parameter %d: %w", i, err)
		}
	}
	return o, nil
}

// parseGroup reads a group whose parameters are numbered from first on.
func parseGroup(v any, first int) (g Group, err error) {
	d, ok := v.(*pickle.Dict)
	if !ok {
		return g, fmt.Errorf("a %s, want a dict", kindOf(v))
	}
	if amsgrad, _ := d.Get("amsgrad"); amsgrad == any(true) {
		return g, errors.New("amsgrad is on, which this AdamW does not have")
	}
	betas, err := field[pickle.Tuple](d, "betas")
	if err != nil {
		return g, err
	}
	if len(betas) != 2 {
		return g, fmt.Errorf("%d betas, want 2", len(betas))
	}
	lr, _ := d.Get("lr")
	decay, _ := d.Get("weight_decay")
	epsilon, _ := d.Get("eps")
	for _, n := range []struct {
		to   *float64
		from any
		name string
	}{{&g.LR, lr, "lr"}, {&g.WeightDecay, decay, "weight_decay"}, {&g.Epsilon, epsilon, "eps"}, {&g.Beta1, betas[0], "betas"}, {&g.Beta2, betas[1], "betas"}} {
		switch v := n.from.(type) {
		case float64:
			*n.to = v
		case int64:
			*n.to = float64(v)
		default:
			return g, fmt.Errorf("%s is a %s, want a number", n.name, kindOf(v))
		}
	}
	params, err := field[*pickle.List](d, "params")
	if err != nil {
		return g, err
	}
	for i, p := range params.Items {
		if p != any(int64(first+i)) {
			return g, fmt.Errorf("its parameters are not numbered from %d on", first)
		}
	}
	g.Params = len(params.Items)
	return g, nil
}

func parseState(i int, v any, u *unpacker) (s ParamState, err error) {
	d, ok := v.(*pickle.Dict)
	if !ok {
		return s, fmt.Errorf("a %s, want a dict", kindOf(v))
	}
	step, ok := d.Get("step")
	if t, isTensor := step.(*view); isTensor { // PyTorch 1.12 and later
		x, err := u.tensor("step", t)
		if err != nil {
			return s, err
		}
		if x.Size() != 1 { // before memory is taken for its values
			return s, fmt.Errorf("step is a tensor of shape %v, want one number", x.Shape)
		}
		values, err := x.Float32()
		if err != nil {
			return s, err
		}
		if !(values[0] >= 0 && values[0] < 1<<31) {
			return s, fmt.Errorf("step is %v, want a count", values[0])
		}
		s.Step = int(values[0])
	} else if n, isInt := step.(int64); ok && isInt && n >= 0 {
		s.Step = int(n)
	} else {
		return s, fmt.Errorf("step is a %s, want a count", kindOf(step))
	}
	for _, m := range []struct {
		to   *tensor.Tensor
		name string
	}{{&s.ExpAvg, "exp_avg"}, {&s.ExpAvgSq, "exp_avg_sq"}} {
		t, err := field[*view](d, m.name)
		if err != nil {
			return s, err
		}
		x, err := u.tensor(fmt.Sprintf("%s.%d", m.name, i), t)
		if err != nil {
			return s, err
		}
		if *m.to, err = x.Materialized(); err != nil {
			return s, err
		}
	}
	return s, nil
}

// field is an entry of a dict that must have the type T.
func field[T any](d *pickle.Dict, name string) (T, error) {
	v, ok := d.Get(name)
	x, is := v.(T)
	if !ok {
		return x, fmt.Errorf("it has no %q", name)
	}
	if !is {
		return x, fmt.Errorf("%q is a %s", name, kindOf(v))
	}
	return x, nil
}

// value is the dictionary that torch.optim.AdamW's load_state_dict takes; put stores a tensor in the file and gives what stands for it.
func (o *Optimizer) value(put func(tensor.Tensor) (any, error)) (any, error) {
	state, groups := &pickle.Dict{}, &pickle.List{}
	first := 0
	for _, g := range o.Groups {
		params := &pickle.List{}
		for range g.Params {
			params.Items = append(params.Items, first)
			first++
		}
		groups.Items = append(groups.Items, dict(
			"weight_decay", g.WeightDecay, "lr", g.LR, "betas", pickle.Tuple{g.Beta1, g.Beta2}, "eps", g.Epsilon, "amsgrad", false,
			"maximize", false, "foreach", nil, "capturable", false, "differentiable", false, "fused", nil, "decoupled_weight_decay", true,
			"params", params))
	}
	if first != len(o.State) {
		return nil, fmt.Errorf("the groups have %d parameters and the state has %d", first, len(o.State))
	}
	for i, s := range o.State {
		if s.Step == 0 && s.ExpAvg.DType == "" {
			continue
		}
		step, err := put(tensor.F32("step", nil, []float32{float32(s.Step)}))
		if err != nil {
			return nil, err
		}
		m, err := put(s.ExpAvg)
		if err != nil {
			return nil, err
		}
		v, err := put(s.ExpAvgSq)
		if err != nil {
			return nil, err
		}
		if err := state.Set(int64(i), dict("step", step, "exp_avg", m, "exp_avg_sq", v)); err != nil {
			return nil, err
		}
	}
	return dict("state", state, "param_groups", groups), nil
}
