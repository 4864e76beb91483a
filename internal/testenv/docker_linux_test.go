package testenv

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDocker(t *testing.T) {
	n := NewNamespace(t)
	d := n.StartDocker(t)
	assert.NotZero(t, n.Link(t, "docker0").Index)
	d.Import(t, "hello", Program(t, "echo"))
	assert.Equal(t, "hello", d.Run(t, "run", "--rm", "hello", Program(t, "echo"), "hello"))
}
