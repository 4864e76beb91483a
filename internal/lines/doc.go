// Package lines prints packets, a line each, in the order in which it is given them. The
// text is made on all processors: packets are copied into lots, which are decoded beside
// one another and written one after the other.
package lines
