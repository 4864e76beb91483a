package report

import "testing"

// JudgeByEnds has List judge files by their ends, however little there is to read.
func JudgeByEnds(t testing.TB) {
	before := little
	little = 0
	t.Cleanup(func() { little = before })
}
