// Package faults is the list of what a person, a file, a disk or a network can do wrong, and of the tests that show what happens then. README.md is the
// table; a test makes it.
package faults
