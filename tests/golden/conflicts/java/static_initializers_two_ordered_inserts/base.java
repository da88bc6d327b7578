class Registry {

    static {
        register("a");
    }

}
