// SPDX-License-Identifier: Apache-2.0
// Distinguished names (X.501; RFC 4514 and RFC 5280 §4.1.2.4): an X.509 Name in DER, as an ID payload of type
// 9 and the subject of a certificate have it. Total on any octets: they come from peers.
#pragma once

#include <string>
#include <string_view>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ike {

// "C=CH, O=Example AG, CN=gw.example" to DER, in this order. Attributes by the short names of RFC 4514 and
// those of certificates (C, ST, L, street, O, OU, CN, SN, serialNumber, title, GN, initials, generation, DC,
// UID, E or emailAddress), or as a dotted OID; '+' joins those of one set; a backslash quotes the character
// behind it or, with two hexadecimal digits, gives an octet; "..." quotes a whole value; '#' and hexadecimal
// digits are the DER of one. SN is the surname (RFC 4519). A value "*" alone is a pattern that matches any
// one value of this attribute; \* is a star. Values are UTF-8, written as UTF8String, or as PrintableString
// or IA5String where RFC 5280 demands these.
Result<Buffer> parse_distinguished_name(std::string_view text);
// Whether it is a whole Name: a SEQUENCE of SETs of attributes, nothing behind it. At most 64 attributes with
// values of 1024 octets, 4096 octets in all. An empty one, which names nobody, is none.
bool is_distinguished_name(Bytes der);
// In the form that parse takes; of octets that are no name, their hexadecimal digits. Always printable
// ASCII: all else is \XX, of UTF-8. Not cut.
std::string distinguished_name_text(Bytes der);
// RFC 5280 §7.1: the same sets of the same attributes in the same order; values of the string types are the
// same whatever type they are of, without regard to the case of a to z and to spaces at their ends or
// repeated; other values octet by octet with their tag. What is no name is the same as its own octets alone.
bool same_distinguished_name(Bytes a, Bytes b);
// Whether a pattern has "*" as a value somewhere; and whether `name` fits: as above, but such a value fits
// any. What is no name fits nothing, nor does a pattern in place of a name: a peer may send what looks like
// one.
bool is_name_pattern(Bytes pattern);
bool fits_name_pattern(Bytes pattern, Bytes name);
// For a table: names that are the same have the same key, and no others.
std::string distinguished_name_key(Bytes der);

}  // namespace simplon::ike
