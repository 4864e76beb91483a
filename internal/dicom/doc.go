// Package dicom reads what DICOM applications say to one another over TCP: the PDUs of
// the upper layer (PS3.8 section 9.3) and the command sets of messages (PS3.7 section
// 6.3), and names what they hold.
//
// It knows nothing of TCP, of packets or of time. A Decoder is given the bytes of one
// direction of a connection, in order, as they come, and calls a Handler:
//
//	client, server := dicom.New(handler), dicom.New(otherHandler)
//	client.Write(payload) // a segment of what the client sends
//	client.Missing(1448)  // the next segment isn't in the capture
//	client.Write(next)
//
// Data sets are patients'. They are counted, and never looked at, kept or handed on; the
// same goes for user names, passcodes and tickets of the user identity negotiation.
//
// Since lengths precede everything, what isn't looked at needn't have been captured: a
// decoder goes past it by its length. Where the length itself is missing it passes over
// bytes until a segment begins as a PDU does, which is also how it joins a stream whose
// beginning wasn't captured.
//
// The bytes are not trusted. A decoder keeps at most 64 KiB of them, whatever they
// claim, and does not allocate for data sets.
package dicom
