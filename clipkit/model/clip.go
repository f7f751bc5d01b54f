package model

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// Forward is the joint pass: images [B,3,R,R] and ids [B,T] → unit vectors [B,D] of both and exp(logit_scale), a scalar
// (cn_clip/clip/model.py:402).
func Forward(p *Params, images, ids *Node) (imageFeatures, textFeatures, scale *Node) {
	imageFeatures = L2Normalize(VisualFeatures(p, images), -1)
	textFeatures = L2Normalize(TextFeatures(p, ids), -1)
	return imageFeatures, textFeatures, Exp(p.At("logit_scale"))
}
