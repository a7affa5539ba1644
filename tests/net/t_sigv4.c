/* SPDX-License-Identifier: MIT */
/* Signatures against those that AWS has published. */
#include <string.h>

#include "net/sigv4.h"
#include "support/suite.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define GENERAL_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define S3_HOST "examplebucket.s3.amazonaws.com"

typedef struct vector {
    const char *why;
    keel_sigv4_request request;
    const char *signature;
} vector;

#define GENERAL(a_method, a_path)                                                      \
    .method = a_method, .path = a_path, .payload = EMPTY, .region = "us-east-1",       \
    .service = "service", .key_id = "AKIDEXAMPLE", .secret = GENERAL_SECRET,           \
    .date = "20150830T123600Z"

#define S3(a_method, a_path, a_payload)                                                \
    .method = a_method, .path = a_path, .payload = a_payload, .region = "us-east-1",   \
    .service = "s3", .key_id = "AKIAIOSFODNN7EXAMPLE", .secret = S3_SECRET,            \
    .date = "20130524T000000Z", .encodes_path_once = true

#define GENERAL_HEADERS                                                                \
    {                                                                                  \
        { "x-amz-date", "20150830T123600Z" },                                          \
        {                                                                              \
            "host", "example.amazonaws.com"                                            \
        }                                                                              \
    }

#define PUT_PAYLOAD "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static const vector vectors[] = {
    { "get-vanilla of the test suite",
      { GENERAL("GET", "/"), .headers = GENERAL_HEADERS, .header_count = 2 },
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { "post-vanilla",
      { GENERAL("POST", "/"), .headers = GENERAL_HEADERS, .header_count = 2 },
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
    { "get-vanilla-query-order-key-case",
      { GENERAL("GET", "/"), .headers = GENERAL_HEADERS, .header_count = 2,
        .query = { { "Param2", "value2" }, { "Param1", "value1" } }, .query_count = 2 },
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
    { "ListUsers, of the General Reference",
      { .method = "GET",
        .path = "/",
        .payload = EMPTY,
        .region = "us-east-1",
        .service = "iam",
        .key_id = "AKIDEXAMPLE",
        .secret = GENERAL_SECRET,
        .date = "20150830T123600Z",
        .headers = { { "content-type",
                       "application/x-www-form-urlencoded; charset=utf-8" },
                     { "host", "iam.amazonaws.com" },
                     { "x-amz-date", "20150830T123600Z" } },
        .header_count = 3,
        .query = { { "Version", "2010-05-08" }, { "Action", "ListUsers" } },
        .query_count = 2 },
      "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7" },
    { "S3: GET object with a range",
      { S3("GET", "/test.txt", EMPTY),
        .headers = { { "host", S3_HOST },
                     { "range", "bytes=0-9" },
                     { "x-amz-content-sha256", EMPTY },
                     { "x-amz-date", "20130524T000000Z" } },
        .header_count = 4 },
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
    { "S3: PUT object, whose name is encoded",
      { S3("PUT", "/test$file.text", PUT_PAYLOAD),
        .headers = { { "date", "Fri, 24 May 2013 00:00:00 GMT" },
                     { "host", S3_HOST },
                     { "x-amz-content-sha256", PUT_PAYLOAD },
                     { "x-amz-date", "20130524T000000Z" },
                     { "x-amz-storage-class", "REDUCED_REDUNDANCY" } },
        .header_count = 5 },
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
    { "S3: a parameter without a value",
      { S3("GET", "/", EMPTY), .query = { { "lifecycle", "" } }, .query_count = 1,
        .headers = { { "host", S3_HOST },
                     { "x-amz-content-sha256", EMPTY },
                     { "x-amz-date", "20130524T000000Z" } },
        .header_count = 3 },
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
    { "S3: listing",
      { S3("GET", "/", EMPTY), .query = { { "prefix", "J" }, { "max-keys", "2" } },
        .query_count = 2,
        .headers = { { "host", S3_HOST },
                     { "x-amz-content-sha256", EMPTY },
                     { "x-amz-date", "20130524T000000Z" } },
        .header_count = 3 },
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

START_TEST(a_request_is_signed_as_published)
{
    char authorization[KEEL_SIGV4_TEXT];
    const char *signature;

    ck_assert(keel_sigv4_sign(&vectors[_i].request, authorization));
    signature = strstr(authorization, "Signature=");
    ck_assert_ptr_nonnull(signature);
    ck_assert_str_eq(signature + strlen("Signature="), vectors[_i].signature);
}
END_TEST

START_TEST(the_authorization_names_key_scope_and_headers)
{
    char authorization[KEEL_SIGV4_TEXT];

    ck_assert(keel_sigv4_sign(&vectors[0].request, authorization));
    ck_assert_ptr_eq(
        strstr(authorization,
               "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
               "aws4_request, SignedHeaders=host;x-amz-date, Signature="),
        authorization);
}
END_TEST

START_TEST(a_request_that_is_too_large_is_not_signed)
{
    static char path[20000];
    keel_sigv4_request request = vectors[0].request;
    char authorization[KEEL_SIGV4_TEXT];

    memset(path, '/', sizeof path - 1);
    request.path = path;
    ck_assert(!keel_sigv4_sign(&request, authorization));
}
END_TEST

START_TEST(a_date_is_of_the_basic_form)
{
    char date[KEEL_SIGV4_DATE];

    ck_assert(keel_sigv4_date(1440938160, date));
    ck_assert_str_eq(date, "20150830T123600Z");
}
END_TEST

SUITE("sigv4", 10, ROWS(a_request_is_signed_as_published, vectors),
      ONE(the_authorization_names_key_scope_and_headers),
      ONE(a_request_that_is_too_large_is_not_signed), ONE(a_date_is_of_the_basic_form))
