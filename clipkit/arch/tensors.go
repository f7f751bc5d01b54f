package arch

import "fmt"

// Tensor is one entry of the reference's state dict.
type Tensor struct {
	Name   string // without "module."
	Shape  []int  // linear weights are [out,in]; visual.proj and text_projection are [in,out]
	Buffer bool   // BatchNorm statistics: saved, never trained
	Int64  bool   // num_batches_tracked, the only integer
}

// Size is the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Tensors lists the whole state dict, buffers included, in the order of the reference's model.state_dict().
func (c Config) Tensors() []Tensor {
	l := &list{}
	l.add("text_projection", c.TextWidth, c.EmbedDim)
	l.add("logit_scale")
	if c.IsResNet() {
		c.resnet(l)
	} else {
		c.vit(l)
	}
	c.bert(l)
	return l.tensors
}

// NumParams counts the trained values (buffers excluded).
func (c Config) NumParams() int { return c.count("") }

// NumVisualParams counts the trained values of the vision tower.
func (c Config) NumVisualParams() int { return c.count("visual.") }

func (c Config) count(prefix string) int {
	n := 0
	for _, t := range c.Tensors() {
		if !t.Buffer && len(t.Name) >= len(prefix) && t.Name[:len(prefix)] == prefix {
			n += t.Size()
		}
	}
	return n
}

type list struct{ tensors []Tensor }

func (l *list) add(name string, shape ...int) {
	l.tensors = append(l.tensors, Tensor{Name: name, Shape: shape})
}

func (l *list) linear(name string, out, in int) {
	l.add(name+".weight", out, in)
	l.add(name+".bias", out)
}

func (l *list) norm(name string, width int) {
	l.add(name+".weight", width)
	l.add(name+".bias", width)
}

func (l *list) batchNorm(name string, channels int) {
	l.norm(name, channels)
	l.tensors = append(l.tensors,
		Tensor{Name: name + ".running_mean", Shape: []int{channels}, Buffer: true},
		Tensor{Name: name + ".running_var", Shape: []int{channels}, Buffer: true},
		Tensor{Name: name + ".num_batches_tracked", Buffer: true, Int64: true})
}

func (c Config) vit(l *list) {
	w, p := c.VisionWidth, c.VisionPatchSize
	l.add("visual.class_embedding", w)
	l.add("visual.positional_embedding", c.Grid()*c.Grid()+1, w)
	l.add("visual.proj", w, c.EmbedDim)
	l.add("visual.conv1.weight", w, 3, p, p)
	l.norm("visual.ln_pre", w)
	for i := range c.VisionLayers[0] {
		b := fmt.Sprintf("visual.transformer.resblocks.%d.", i)
		l.add(b+"attn.in_proj_weight", 3*w, w)
		l.add(b+"attn.in_proj_bias", 3*w)
		l.linear(b+"attn.out_proj", w, w)
		l.norm(b+"ln_1", w)
		l.linear(b+"mlp.c_fc", 4*w, w)
		l.linear(b+"mlp.c_proj", w, 4*w)
		l.norm(b+"ln_2", w)
	}
	l.norm("visual.ln_post", w)
}

func (c Config) resnet(l *list) {
	w := c.VisionWidth
	stem := []int{3, w / 2, w / 2, w}
	for i := 1; i <= 3; i++ {
		l.add(fmt.Sprintf("visual.conv%d.weight", i), stem[i], stem[i-1], 3, 3)
		l.batchNorm(fmt.Sprintf("visual.bn%d", i), stem[i])
	}
	in := w
	for s, blocks := range c.VisionLayers {
		planes := w << s
		for b := range blocks {
			n := fmt.Sprintf("visual.layer%d.%d.", s+1, b)
			l.add(n+"conv1.weight", planes, in, 1, 1)
			l.batchNorm(n+"bn1", planes)
			l.add(n+"conv2.weight", planes, planes, 3, 3)
			l.batchNorm(n+"bn2", planes)
			l.add(n+"conv3.weight", 4*planes, planes, 1, 1)
			l.batchNorm(n+"bn3", 4*planes)
			if HasDownsample(s, b, in, planes) {
				l.add(n+"downsample.0.weight", 4*planes, in, 1, 1)
				l.batchNorm(n+"downsample.1", 4*planes)
			}
			in = 4 * planes
		}
	}
	l.add("visual.attnpool.positional_embedding", c.Grid()*c.Grid()+1, in)
	for _, n := range []string{"k_proj", "q_proj", "v_proj"} {
		l.linear("visual.attnpool."+n, in, in)
	}
	l.linear("visual.attnpool.c_proj", c.EmbedDim, in)
}

// HasDownsample tells whether a bottleneck's shortcut has its own pool, convolution and norm: when it halves the picture or widens it.
func HasDownsample(stage, block, in, planes int) bool {
	return (stage > 0 && block == 0) || in != 4*planes
}

func (c Config) bert(l *list) {
	h := c.TextWidth
	l.add("bert.embeddings.word_embeddings.weight", c.VocabSize, h)
	l.add("bert.embeddings.position_embeddings.weight", c.TextMaxPositions, h)
	l.add("bert.embeddings.token_type_embeddings.weight", c.TextTypes, h)
	l.norm("bert.embeddings.LayerNorm", h)
	for i := range c.TextLayers {
		b := fmt.Sprintf("bert.encoder.layer.%d.", i)
		for _, n := range []string{"query", "key", "value"} {
			l.linear(b+"attention.self."+n, h, h)
		}
		l.linear(b+"attention.output.dense", h, h)
		l.norm(b+"attention.output.LayerNorm", h)
		l.linear(b+"intermediate.dense", c.TextIntermediate, h)
		l.linear(b+"output.dense", h, c.TextIntermediate)
		l.norm(b+"output.LayerNorm", h)
	}
}
