import { fileDesc } from "@bufbuild/protobuf/codegenv2";

/**
 * Stands in for `buf/validate/validate.proto`, the language of the contracts' rules, which every contract
 * imports: the API checks requests, and the page reads no rules. Holds the file's name and package only. See
 * `vite.config.ts`.
 */
export const file_buf_validate_validate = fileDesc(
  "ChtidWYvdmFsaWRhdGUvdmFsaWRhdGUucHJvdG8SDGJ1Zi52YWxpZGF0ZQ==",
);
