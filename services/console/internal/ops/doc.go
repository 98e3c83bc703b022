// Package ops is what people can do with Fertig: report, look up, correct, send again, exclude, include, close, start
// runs, press a message's button, map a carrier, pause an account. It owns the rules about who may do what, and
// guarantees that every change carries an actor and a comment, is appended under the state table, and is answered per
// shipment when it was asked for many. It does not decide outcomes and knows neither HTTP nor Redis: the API, the web
// pages and the command line are three faces of the same methods.
//
// Errors are *fault.Error, naming the field to mend where one is to blame; Remedy says what helps.
package ops
