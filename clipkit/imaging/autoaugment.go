package imaging

// op is one step of a sub-policy: with a probability, a change of a strength from 0 to 10.
type op struct {
	apply       func(p *Picture, level float64, rng draws) *Picture
	probability float64
	level       float64
}

// originalPolicy is AutoAugment's ImageNet policy as timm has it under the name "original" (timm/data/auto_augment.py,
// auto_augment_policy_original). Repeated lines are in the source.
var originalPolicy = [25][2]op{
	{{posterizeOp, .4, 8}, {rotateOp, .6, 9}},
	{{solarizeOp, .6, 5}, {autoContrastOp, .6, 5}},
	{{equalizeOp, .8, 8}, {equalizeOp, .6, 3}},
	{{posterizeOp, .6, 7}, {posterizeOp, .6, 6}},
	{{equalizeOp, .4, 7}, {solarizeOp, .2, 4}},
	{{equalizeOp, .4, 4}, {rotateOp, .8, 8}},
	{{solarizeOp, .6, 3}, {equalizeOp, .6, 7}},
	{{posterizeOp, .8, 5}, {equalizeOp, 1, 2}},
	{{rotateOp, .2, 3}, {solarizeOp, .6, 8}},
	{{equalizeOp, .6, 8}, {posterizeOp, .4, 6}},
	{{rotateOp, .8, 8}, {colorOp, .4, 0}},
	{{rotateOp, .4, 9}, {equalizeOp, .6, 2}},
	{{equalizeOp, 0, 7}, {equalizeOp, .8, 8}},
	{{invertOp, .6, 4}, {equalizeOp, 1, 8}},
	{{colorOp, .6, 4}, {contrastOp, 1, 8}},
	{{rotateOp, .8, 8}, {colorOp, 1, 2}},
	{{colorOp, .8, 8}, {solarizeOp, .8, 7}},
	{{sharpnessOp, .4, 7}, {invertOp, .6, 8}},
	{{shearXOp, .6, 5}, {equalizeOp, 1, 9}},
	{{colorOp, .4, 0}, {equalizeOp, .6, 3}},
	{{equalizeOp, .4, 7}, {solarizeOp, .2, 4}},
	{{solarizeOp, .6, 5}, {autoContrastOp, .6, 5}},
	{{invertOp, .6, 4}, {equalizeOp, 1, 8}},
	{{colorOp, .6, 4}, {contrastOp, 1, 8}},
	{{equalizeOp, .8, 8}, {equalizeOp, .6, 3}},
}

// autoAugment applies one sub-policy, chosen uniformly, to an RGB picture.
func autoAugment(p *Picture, rng draws) *Picture {
	for _, o := range originalPolicy[rng.IntN(len(originalPolicy))] {
		if o.probability < 1 && rng.Float64() > o.probability {
			continue
		}
		p = o.apply(p, o.level, rng)
	}
	return p
}

// From levels to arguments (timm/data/auto_augment.py, LEVEL_TO_ARG).

func rotateOp(p *Picture, level float64, rng draws) *Picture {
	return rotate(p, randomSign(rng)*(level/10*30))
}

func shearXOp(p *Picture, level float64, rng draws) *Picture {
	return shearX(p, randomSign(rng)*(level/10*0.3))
}

func posterizeOp(p *Picture, level float64, _ draws) *Picture {
	return posterize(p, int(level/10*4)+4)
}

func solarizeOp(p *Picture, level float64, _ draws) *Picture {
	return solarize(p, int(level/10*256))
}

func colorOp(p *Picture, level float64, _ draws) *Picture {
	return saturate(p, enhancement(level))
}

func contrastOp(p *Picture, level float64, _ draws) *Picture {
	return contrast(p, enhancement(level))
}

func sharpnessOp(p *Picture, level float64, _ draws) *Picture {
	return sharpen(p, enhancement(level))
}

func autoContrastOp(p *Picture, _ float64, _ draws) *Picture { return autoContrast(p) }
func equalizeOp(p *Picture, _ float64, _ draws) *Picture     { return equalize(p) }
func invertOp(p *Picture, _ float64, _ draws) *Picture       { return invert(p) }

// enhancement maps 0…10 to 0.1…1.9, where 1 changes nothing.
func enhancement(level float64) float32 { return float32(float64(level/10*1.8) + 0.1) }

func randomSign(rng draws) float64 {
	if rng.Float64() > 0.5 {
		return -1
	}
	return 1
}
