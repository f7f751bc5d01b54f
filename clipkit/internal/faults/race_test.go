//go:build race

package faults

// raceDetector multiplies memory.
const raceDetector = true
