// Package capture receives live packets from Linux network interfaces through
// AF_PACKET sockets: a TPACKET_V3 ring that the kernel fills and Next hands out
// block by block, without a copy and without a system call a packet.
//
// It puts back VLAN tags that the kernel took off, keeps nanosecond time
// stamps and original lengths, applies a snap length, a direction and a
// classic BPF program in the kernel, counts what was lost, and stops without
// losing what the ring still holds. Where a ring can't be had, recvmsg(2)
// serves in its place and Handle.Mode says why.
//
// It does not look into packets, write files, or follow an interface that was
// deleted: Next then returns ErrInterfaceGone, and who wants to go on opens
// the interface anew.
package capture
