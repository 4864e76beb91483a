package decode

// netbiosName names the NetBIOS name service, RFC 1002 section 4.2.
func (p *Printer) netbiosName(v view) bool {
	if len(v.data) < dnsSize {
		return false
	}
	p.protocol = "nbns"
	p.text("UDP").length(v.length).text(": NetBIOS name")
	operation := "query"
	switch v.uint16At(2) >> 11 & 15 {
	case 5:
		operation = "registration"
	case 6:
		operation = "release"
	case 7:
		operation = "wait"
	case 8, 9:
		operation = "refresh"
	}
	p.text(" ").text(operation)
	if v.uint16At(2)&dnsResponse != 0 {
		p.text(" response")
	}
	return true
}

// netbiosDatagram names the NetBIOS datagram service, RFC 1002 section 4.4.
func (p *Printer) netbiosDatagram(v view) bool {
	if len(v.data) == 0 || v.data[0] < 0x10 || v.data[0] > 0x16 {
		return false
	}
	p.protocol = "nbdgm"
	p.text("UDP").length(v.length).text(": NetBIOS datagram")
	return true
}

// smb2Commands are the commands of SMB 2 and 3, MS-SMB2 section 2.2.1.
var smb2Commands = [...]string{
	"Negotiate", "SessionSetup", "Logoff", "TreeConnect", "TreeDisconnect", "Create", "Close", "Flush",
	"Read", "Write", "Lock", "Ioctl", "Cancel", "Echo", "QueryDirectory", "ChangeNotify", "QueryInfo",
	"SetInfo", "OplockBreak",
}

// smb names the message that a segment begins with, in a NetBIOS session message or,
// on port 445, what looks the same.
func (p *Printer) smb(v view) {
	const (
		header       = 4 // of the session message: its type, 0, and a length
		smb2Size     = 64
		smb2Response = 1
	)
	b := v.data
	length := int(b[1])<<16 | v.uint16At(2)
	if len(b) < header+8 || length < 32 || string(b[5:8]) != "SMB" {
		return
	}
	switch b[4] {
	case 0xff:
		p.protocol = "smb"
		p.text(": SMB")
	case 0xfe:
		p.protocol = "smb2"
		p.text(": SMB2")
		if len(b) < header+smb2Size {
			return
		}
		p.text(" ").lookup(smb2Commands[:], int(b[16])|int(b[17])<<8, "command ")
		if b[20]&smb2Response != 0 {
			p.text(" response")
		}
	case 0xfd:
		p.protocol = "smb2"
		p.text(": SMB2 (encrypted)")
	}
}
