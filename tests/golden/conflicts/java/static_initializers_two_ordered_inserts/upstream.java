class Registry {

    static {
        register("a");
    }

    static {
        register("b");
    }

}
