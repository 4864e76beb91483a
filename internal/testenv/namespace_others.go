//go:build !linux

package testenv

import "errors"

func canMakeNamespaces() error {
	return errors.New("network namespaces are Linux's")
}
