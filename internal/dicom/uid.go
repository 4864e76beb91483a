package dicom

import (
	"slices"
	"strings"
)

// registered is a UID and its name, PS3.6 annex A.
type registered struct{ uid, name string }

// UIDName returns the name that PS3.6 gives to a SOP class, a transfer syntax, a
// well-known SOP instance or the application context, and any other UID as it is.
func UIDName(uid string) string {
	for _, table := range [][]registered{sopClasses, transferSyntaxes} {
		i, found := slices.BinarySearchFunc(table, uid, func(r registered, uid string) int {
			return strings.Compare(r.uid, uid)
		})
		if found {
			return table[i].name
		}
	}
	return uid
}
