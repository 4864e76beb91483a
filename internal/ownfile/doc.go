// Package ownfile opens and keeps files that belong to this user alone, at paths where
// others may have put something else: a PID file in /tmp, a log in a directory that
// everybody may write.
//
// Two things are asked. Nobody else may decide which directory a path leads to: each
// directory on the way belongs to this user or to root, and where everybody may write, in
// /tmp, the next step does (and can't be replaced there, for /tmp is sticky). And what has
// the file's name is a regular file of this user with no other name, which is opened through
// the directory's descriptor and without following a link. Root takes over files of the
// user whom their directory belongs to, for instance of the service's user: they are in
// that user's hands anyway. Users who may write because they are in a directory's group
// are trusted: whoever gave them the group wanted that.
//
// A Log is a file that grows line by line, of which the older part is moved aside:
//
//	log, err := ownfile.NewLog(&ownfile.Config{Path: "/var/log/netcap/docker0.log", Size: 10 << 20, Kept: 3})
//	if err != nil {
//		return err
//	}
//	defer log.Close()
//	fmt.Fprintln(log, "a line")
package ownfile
