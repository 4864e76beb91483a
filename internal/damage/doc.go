// Package damage judges what is left of a damaged capture: how far it can be trusted, and
// what whole packets follow the damage, from which offset, in which format and byte order.
//
// A capture is cut into parts: stretches of whole records or blocks. A part ends at the end of
// the file, or at damage. Behind damage every offset is looked at, for headers of captures of
// both formats and byte orders, and for records or blocks that go on with what preceded. These
// are believed if they agree with each other: lengths that lead from one to the next, and times
// that are near. What a reader thought that had lost its place is not asked.
//
// It reads, and changes nothing. Memory doesn't grow with the file, and the time it takes
// grows with its length alone.
package damage
