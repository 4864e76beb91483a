// Package preflight finds out what would go wrong with a capture before it begins, and
// how long its disk budget would last.
package preflight
