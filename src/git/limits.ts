/** The largest object that is read, in bytes; larger ones throw `ObjectTooLarge` before they take any memory. */
export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;
