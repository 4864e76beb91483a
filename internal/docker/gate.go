package docker

import (
	"io/fs"
	"net/http"
	"strings"
)

// A gateError is the error of an engine that a gate asked.
type gateError struct {
	text string
	err  error // nil, or what it is
}

func (e *gateError) Error() string { return e.text }

func (e *gateError) Unwrap() error { return e.err }

// gateErrorOf is the error that a gate's answer tells.
func gateErrorOf(status int, text []byte) error {
	e := &gateError{text: strings.TrimSpace(string(text))}
	if status == http.StatusForbidden {
		e.err = fs.ErrPermission
	}
	return e
}
