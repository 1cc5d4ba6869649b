//! The courier against scripted servers, the delivery's one step against the
//! quarantine, and a real Postfix as the next hop.

use reprieve::queue::route;

mod postfix;
mod relay;
mod sink;
