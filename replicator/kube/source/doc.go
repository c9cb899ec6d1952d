// Package source reads a selection of a cluster's objects through its API
// server, for an exporter that cannot read the cluster's etcd, or not all of it.
//
// [Source] shows the objects as the etcd below the API server would: an item's
// key is the one that the object is stored under, its revision is the object's
// resourceVersion, and its value is the object as JSON. The resourceVersion of
// an API server on etcd is etcd's revision, one line of numbers for all
// resources, so that filter, index, chunks and digests work as on etcd. That it
// is one line is looked at whenever a watch begins.
//
// [Source.Watch] follows each resource by a watch of its own, and merges them:
//
//	resource ─watch─▶ lane ─events, bookmarks─▶ merge ─batches─▶ sink
//
// A revision is delivered when all lanes have passed it. Only a bookmark tells
// that a lane has passed a revision without an event: nothing else does, for a
// list that is newer than an event says nothing about the event's way to us. An
// API server sends a bookmark once a minute, and one second into a watch that
// ends after three; so a lane that is waited for opens such short watches. That
// takes a change one to two seconds longer than a watch of etcd.
//
// What the API server cannot give: objects that one transaction of etcd changed
// are known as such only by their equal revision, and nobody but a client that
// writes past the API server makes such transactions.
package source
