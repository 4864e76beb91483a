//go:build race

package main

// underRace says that the tests run under the race detector: their process is so large then
// that what it starts is too, until that has become another program, and so is its peak.
const underRace = true
