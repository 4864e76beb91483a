package dicom

import "encoding/binary"

// An Associate is an A-ASSOCIATE-RQ or -AC: PS3.8 sections 9.3.2 and 9.3.3, and annex D.3
// of PS3.7. Its texts are what a peer sent, at most 64 KiB of anything; spaces and zeros
// around them are gone.
type Associate struct {
	Response bool // it is an A-ASSOCIATE-AC

	ProtocolVersion uint16
	// Called and Calling are the AE titles. In a response they mean nothing, though most
	// repeat those of the request.
	Called, Calling    string
	ApplicationContext string
	Contexts           []Context

	// MaxLength is the longest P-DATA-TF that the sender takes, in bytes behind the
	// header, 0 for any; HasMaxLength is false where it says nothing.
	MaxLength    uint32
	HasMaxLength bool

	ImplementationClass   string // UID
	ImplementationVersion string

	// AsyncInvoked and AsyncPerformed are how many operations may be under way at once
	// (0 for any), where HasAsync: else it is one. PS3.7 section D.3.3.3.
	AsyncInvoked, AsyncPerformed uint16
	HasAsync                     bool

	Roles []Role
	// Extended and CommonExtended are the SOP classes for which there are items of
	// extended negotiation. What these hold differs by SOP class.
	Extended, CommonExtended []string

	Identity Identity

	// Truncated is set where the capture lacks the end of it, or it has more than 64
	// KiB: items that aren't whole are missing.
	Truncated bool
}

// A Context is a presentation context that is proposed, or what became of it.
type Context struct {
	ID byte
	// AbstractSyntax is the UID of a SOP class. Responses have none.
	AbstractSyntax string
	// TransferSyntaxes are the UIDs that are proposed; of a response the accepted one,
	// which means something where Result is ContextAccepted.
	TransferSyntaxes []string
	Result           ContextResult // of a response
}

// ContextResult is the answer to a proposed presentation context, PS3.8 section 9.3.3.2.
type ContextResult uint8

// The results of PS3.8 table 9-18.
const (
	ContextAccepted ContextResult = iota
	ContextUserRejected
	ContextNoReason
	ContextAbstractSyntax   // not supported
	ContextTransferSyntaxes // none of them supported
)

// String returns the result in the words of PS3.8 table 9-18.
func (r ContextResult) String() string {
	return nameOr([]string{
		ContextAccepted: "acceptance", ContextUserRejected: "user-rejection", ContextNoReason: "no-reason",
		ContextAbstractSyntax: "abstract-syntax-not-supported", ContextTransferSyntaxes: "transfer-syntaxes-not-supported",
	}, int(r), "result ")
}

// A Role says, in a request, which roles the requestor proposes for itself in a SOP
// class, and in a response, which are accepted. PS3.7 section D.3.3.4.
type Role struct {
	SOPClass string
	SCU, SCP bool
}

// Identity is the user identity negotiation without the identity, PS3.7 section D.3.3.7.
type Identity struct {
	Type IdentityType // of a request, 0 without one
	// ResponseRequested is whether the requestor wants an answer to it.
	ResponseRequested bool
	// Accepted is set in a response that answers it.
	Accepted bool
}

// IdentityType is how a user is identified.
type IdentityType uint8

// The types of PS3.7 table D.3-14.
const (
	_ IdentityType = iota
	IdentityUsername
	IdentityPasscode // a user name and a passcode
	IdentityKerberos
	IdentitySAML
	IdentityJWT
)

func (t IdentityType) String() string {
	return nameOr([]string{
		IdentityUsername: "username", IdentityPasscode: "username and passcode", IdentityKerberos: "Kerberos service ticket",
		IdentitySAML: "SAML assertion", IdentityJWT: "JSON web token",
	}, int(t), "identity type ")
}

// Types of the items of an A-ASSOCIATE-RQ or -AC: PS3.8 sections 9.3.2 and 9.3.3, PS3.7
// annex D. An item is its type, a reserved byte, its length in 16 bits, big endian, and
// its value.
const (
	ItemApplicationContext = 0x10
	ItemContext            = 0x20
	ItemContextResult      = 0x21
	ItemAbstractSyntax     = 0x30
	ItemTransferSyntax     = 0x40
	ItemUser               = 0x50
	ItemMaxLength          = 0x51
	ItemImplementation     = 0x52
	ItemAsync              = 0x53
	ItemRole               = 0x54
	ItemVersion            = 0x55
	ItemExtended           = 0x56
	ItemCommonExtended     = 0x57
	ItemIdentity           = 0x58
	ItemIdentityResponse   = 0x59
)

const itemHeader = 4

// readAssociate reads the body of an A-ASSOCIATE-RQ or -AC, of which b may be the
// beginning only. It returns false where an item is longer than what it is in.
func readAssociate(b []byte, response, truncated bool) (a *Associate, ok bool) {
	a = &Associate{Response: response, Truncated: truncated}
	var fixed [AssociateSize]byte
	b = b[copy(fixed[:], b):]
	a.ProtocolVersion = binary.BigEndian.Uint16(fixed[:])
	called, calling := Titles(fixed[:])
	a.Called, a.Calling = string(called), string(calling)
	return a, a.items(b)
}

// items reads the items of the PDU.
func (a *Associate) items(b []byte) (ok bool) {
	for len(b) > 0 {
		kind, body, rest, whole := nextItem(b)
		switch {
		case whole:
		case kind == ItemUser && a.Truncated: // of this there are whole items
		default:
			return a.Truncated
		}
		ok := true
		switch kind {
		case ItemApplicationContext:
			a.ApplicationContext = text(body)
		case ItemContext, ItemContextResult:
			ok = a.context(body)
		case ItemUser:
			ok = a.user(body)
		}
		if !ok {
			return false
		}
		b = rest
	}
	return true
}

// nextItem reads an item and what is behind it. An item that isn't whole has what there
// is of it for a body, and nothing behind it.
func nextItem(b []byte) (kind byte, body, rest []byte, whole bool) {
	if len(b) < itemHeader {
		return 0, nil, nil, false
	}
	kind, size := b[0], int(binary.BigEndian.Uint16(b[2:]))
	b = b[itemHeader:]
	if size > len(b) {
		return kind, b, nil, false
	}
	return kind, b[:size], b[size:], true
}

// text is a value without what pads it.
func text(b []byte) string { return string(title(b)) }

// context reads a presentation context: ID, reserved, result or reserved, reserved, and
// the syntaxes.
func (a *Associate) context(b []byte) (ok bool) {
	const fixed = 4
	if len(b) < fixed {
		return false
	}
	c := Context{ID: b[0]}
	if a.Response {
		c.Result = ContextResult(b[2])
	}
	for b = b[fixed:]; len(b) > 0; {
		kind, body, rest, whole := nextItem(b)
		if !whole {
			return false
		}
		switch kind {
		case ItemAbstractSyntax:
			c.AbstractSyntax = text(body)
		case ItemTransferSyntax:
			c.TransferSyntaxes = append(c.TransferSyntaxes, text(body))
		}
		b = rest
	}
	a.Contexts = append(a.Contexts, c)
	return true
}

// user reads the items of the user information.
func (a *Associate) user(b []byte) (ok bool) {
	for len(b) > 0 {
		kind, body, rest, whole := nextItem(b)
		if !whole {
			return a.Truncated
		}
		if !a.userItem(kind, body) {
			return false
		}
		b = rest
	}
	return true
}

func (a *Associate) userItem(kind byte, b []byte) (ok bool) {
	switch kind {
	case ItemMaxLength:
		if len(b) < 4 {
			return false
		}
		a.MaxLength, a.HasMaxLength = binary.BigEndian.Uint32(b), true
	case ItemImplementation:
		a.ImplementationClass = text(b)
	case ItemVersion:
		a.ImplementationVersion = text(b)
	case ItemAsync:
		if len(b) < 4 {
			return false
		}
		a.AsyncInvoked, a.AsyncPerformed, a.HasAsync = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), true
	case ItemRole:
		uid, rest, ok := sized(b)
		if !ok || len(rest) < 2 {
			return false
		}
		a.Roles = append(a.Roles, Role{SOPClass: text(uid), SCU: rest[0] == 1, SCP: rest[1] == 1})
	case ItemExtended:
		uid, _, ok := sized(b)
		if !ok {
			return false
		}
		a.Extended = append(a.Extended, text(uid))
	case ItemCommonExtended:
		uid, _, ok := sized(b)
		if !ok {
			return false
		}
		a.CommonExtended = append(a.CommonExtended, text(uid))
	case ItemIdentity:
		if len(b) < 2 {
			return false
		}
		a.Identity.Type, a.Identity.ResponseRequested = IdentityType(b[0]), b[1] == 1
	case ItemIdentityResponse:
		a.Identity.Accepted = true
	}
	return true
}

// sized reads a value behind its length, and what is behind it.
func sized(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	size := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; size > len(b) {
		return nil, nil, false
	}
	return b[:size], b[size:], true
}
