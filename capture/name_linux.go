package capture

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"

	"netcap/internal/links"
)

// Lengths of names in bytes: IFNAMSIZ and ALTIFNAMSIZ of linux/if.h, without the
// NUL at the end.
const (
	maxName    = 15
	maxAltName = 127
)

// CheckName returns an error that says why no interface can ever have a name, nil if one
// can, or has it as an alternative name (ip-link(8), property add altname).
func CheckName(name string) error {
	why := ""
	switch {
	case name == "":
		return errors.New("no interface named: the name is empty")
	case name == "." || name == "..":
		why = "the kernel reserves . and .."
	case strings.ContainsAny(name, "/:"), strings.ContainsFunc(name, unicode.IsSpace), strings.Contains(name, "\x00"):
		why = "a name has no slash, colon or white space" // dev_valid_name in net/core/dev.c
	case len(name) > maxName:
		why = fmt.Sprintf("it has %d bytes, a name at most %d", len(name), maxName)
	default:
		return nil
	}
	if _, err := ownName(name); err == nil {
		return nil
	}
	return fmt.Errorf("interface %q: no interface can have that name: %s, and it is no alternative name of one here", name, why)
}

// OwnName returns the name that an interface has itself, of which name is perhaps an
// alternative one. Its error is ErrNoInterface where there is none.
func OwnName(name string) (string, error) {
	ifi, err := lookup(name)
	if err != nil {
		return "", err
	}
	return ifi.Name, nil
}

// ownName asks the kernel, which knows alternative names since Linux 5.5.
func ownName(name string) (string, error) {
	if name == "" || len(name) > maxAltName || strings.Contains(name, "\x00") {
		return "", ErrNoInterface
	}
	own, err := links.ByAlternative(name)
	if err == nil && own == "" {
		err = ErrNoInterface
	}
	return own, err
}

// byName finds an interface by its own name or an alternative one.
func byName(name string) (*net.Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err == nil {
		return ifi, nil
	}
	if own, altErr := ownName(name); altErr == nil {
		return net.InterfaceByName(own)
	}
	return nil, err
}
