package capture

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestThreadsFor(t *testing.T) {
	for _, tt := range []struct{ megabits, processors, want int }{
		{-1, 64, 1}, // what has no speed says -1
		{1_000, 64, 1},
		{10_000, 64, 1},
		{25_000, 64, 3},
		{100_000, 64, 10},
		{100_000, 8, 4},
		{100_000, 2, 1},
		{100_000, 1, 1},
	} {
		assert.Equal(t, tt.want, threadsFor(tt.megabits, tt.processors), "%d Mbit/s, %d processors", tt.megabits, tt.processors)
	}
	assert.Equal(t, 1, Threads(Any))
	assert.Equal(t, 1, Threads("lo"))
}
