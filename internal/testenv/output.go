package testenv

import (
	"bytes"
	"sync"
)

// Output is what a process prints, or a log, which may be read while it is written.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String is what was written by now.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Forget has what was written so far not be found again.
func (o *Output) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Reset()
}
