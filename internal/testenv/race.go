//go:build race

package testenv

// underRace says that the tests run under the race detector.
const underRace = true
